-- Handles the derived events. Its cause is known: event.metadata.causationId is the push.
return function(event, ctx)
    sdk.kv.incr("pushes")
    sdk.kv.incr("commits", event.payload.commits)
end
