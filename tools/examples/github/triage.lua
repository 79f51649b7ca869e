-- Issues and pull requests that were opened, closed or reopened, with a line in the log.
return function(event, ctx)
    local item = event.payload.issue or event.payload.pull_request
    sdk.log.info("triage", { action = event.payload.action, number = item.number, title = item.title })
    sdk.kv.incr("triage." .. event.payload.action)
    return { number = item.number }
end
