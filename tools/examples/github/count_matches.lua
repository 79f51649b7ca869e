-- Counts under the name of the subscription that matched.
return function(event, ctx)
    sdk.kv.incr("matched." .. ctx.subscriptionId)
end
