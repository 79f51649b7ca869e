-- For `millrace script run`: the counters asked for, absent ones as 0.
return function(event, ctx)
    local counts = {}
    for _, key in ipairs(event.body.keys) do
        counts[key] = sdk.kv.get(key) or 0
    end
    return counts
end
