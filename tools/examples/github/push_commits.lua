-- Derives one event per push: how many commits it brought, and to which repository.
return function(event, ctx)
    local push = event.payload
    local commits = push.commits and #push.commits or 0
    sdk.events.emit("repo.commits", {
        repository = push.repository.full_name,
        ref = push.ref,
        commits = commits,
    })
    return { commits = commits }
end
