-- Stands for a handler whose other side is down. The counter shows that a failed attempt leaves no
-- effects: it stays unset.
return function(event, ctx)
    sdk.kv.incr("never.counted")
    error("the other side is down (attempt " .. ctx.attempt .. ")")
end
