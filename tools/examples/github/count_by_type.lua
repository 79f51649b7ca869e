-- Counts webhooks by their type. The increments are committed together with the delivery's cursor:
-- a crash and a restart leave neither a gap nor a double count.
return function(event, ctx)
    local kind = event.pattern:match("^github%.([^.]+)")
    sdk.kv.incr("type." .. kind)
    sdk.kv.incr("all")
end
