-- Registered after the fact; gets the past by a replay, which ctx.replay names.
return function(event, ctx)
    sdk.kv.incr("replayed." .. event.payload.action)
    sdk.kv.incr(ctx.replay and "replayed.marked" or "replayed.live")
end
