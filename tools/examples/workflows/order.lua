-- An order from its event to the parcel, as one workflow that may take days.
--
--   millrace script push tools/examples/workflows/order.lua --id order --type workflow
--   millrace handler register --pattern order.created --executor '{"type":"workflow","workflowId":"order"}'
--   millrace event create order.created --payload '{"id":"o-1","sum":12}'
--   millrace event create order.paid --payload '{"id":"o-1","sum":12}'
--   millrace workflow runs --workflow order
return function(event, wf)
    local order = event.payload

    -- Done once, with all it writes and emits, whatever dies; undone if the run fails later.
    local stock = wf.step("reserve", function(step)
        sdk.kv.incr("reserved:" .. order.id)
        sdk.events.emit("stock.reserved", {order = order.id, key = step.key})
        return {shelf = 7}
    end, {compensate = function(step)
        sdk.kv.incr("reserved:" .. order.id, -1)
        sdk.events.emit("stock.released", {order = order.id, shelf = step.output.shelf})
    end})

    -- An event that came before the run got here counts too. nil: it did not come in time.
    local paid = wf.waitEvent("order.paid", {
        match = {{field = "$.payload.id", operator = "equals", value = order.id}},
        timeoutMs = 3 * 86400 * 1000,
    })
    if not paid then error({code = "UNPAID", message = "order " .. order.id .. " was not paid"}) end

    -- Whoever checks large orders says yes by a signal, or a day goes by.
    if order.sum > 1000 then
        local answer = wf.race{
            function() return wf.signal("checked") end,
            function() wf.sleep(86400 * 1000) return {ok = false} end,
        }
        if not answer.ok then error({code = "REFUSED", message = "nobody has agreed"}) end
    end

    local parcel = wf.all{
        function() return wf.step("label", function() return "P-" .. order.id end) end,
        function()
            wf.step("thank", function()
                sdk.events.emit("mail.wanted", {order = order.id, text = "thank you"})
            end, {retry = {maxAttempts = 5, initialDelayMs = 1000}})
        end,
    }
    return {order = order.id, shelf = stock.shelf, parcel = parcel[1], at = wf.now()}
end
