// What: the part of workflows that is Lua itself: `wf`, its branches, and the way of the code
//       through what has come so far (lua_workflow.cc has the rest of it).
// Threads: a constant. Lifetime: none. Limits: 1,000 branches side by side.
// Failure: wrong arguments raise with the line of the script.
#pragma once

namespace millrace::runtime {

// `parts` are those of the sandbox (lua_sandbox.cc), `native` the functions below. Returns what a
// turn is begun with.
//  - Who waits for a part of the run yields the sandbox's mark with `blocked_on` set, who waits for
//    the outside in a step yields it without: that one is handed up to the VM.
//  - pairs goes by the order of keys: that of a hash table is another one in the next process.
//  - A turn that has its end yields for good: no pcall of the script's catches that.
inline constexpr char kWorkflowCode[] = R"lua(
local parts, native = ...
local mark, create, resume, yield = parts.mark, parts.create, parts.resume, parts.yield
local status, setfenv, sort, next = parts.status, parts.setfenv, parts.sort, parts.next
local type, pcall, error, tostring = parts.type, parts.pcall, parts.error, parts.tostring
local rawequal, rawget, floor, raw_pairs = parts.rawequal, parts.rawget, parts.floor, parts.pairs
local raw_random = parts.random

local kinds = {number = 1, string = 2}
local function in_order(a, b)
    local x, y = kinds[type(a)] or 3, kinds[type(b)] or 3
    if x ~= y then return x < y end
    return x < 3 and a < b
end
local function pairs(t)
    if type(t) ~= "table" then return raw_pairs(t) end
    local keys, count, at = {}, 0, 0
    for key in next, t do
        count = count + 1
        keys[count] = key
    end
    sort(keys, in_order)
    return function()
        while at < count do
            at = at + 1
            local value = rawget(t, keys[at])
            if value ~= nil then return keys[at], value end
        end
    end
end

local function random(...)
    native.need("math.random", "; wf.random() is the same each time")
    return raw_random(...)
end
local function no_clock(name)
    return function()
        error("there is no os." .. name .. " in a workflow: wf.now() is the run's time, " ..
              "sdk.time.now() that of a step", 2)
    end
end
local function environment()
    local made = parts.make_environment()
    made.pairs, made.math.random = pairs, random
    made.os = {time = no_clock("time"), clock = no_clock("clock"), date = no_clock("date")}
    return made
end

-- message, code, fatal
local function explain(raised)
    if type(raised) ~= "table" then return tostring(raised), nil, false end
    local message, code = rawget(raised, "message"), rawget(raised, "code")
    if type(message) ~= "string" then message = native.text(raised) end
    return message, type(code) == "string" and code or nil, rawget(raised, "fatal") == true
end

local function check_options(call, options, known)
    if options == nil then return {} end
    if type(options) ~= "table" then
        error(call .. ": the options must be a table, not a " .. type(options), 3)
    end
    for name in next, options do
        if not known[name] then
            error(call .. ": there is no option '" .. tostring(name) .. "'", 3)
        end
    end
    return options
end

local function text_of(call, what, text)
    if type(text) ~= "string" or text == "" then
        error(call .. ": " .. what .. " must be a text that is not empty", 3)
    end
    return text
end

local function span(call, what, ms, level)
    if type(ms) ~= "number" or ms ~= ms or ms < 0 or ms > 31622400000 then
        error(call .. ": " .. what .. " must be milliseconds from 0 to 31622400000", level or 3)
    end
    return floor(ms)
end

-- 3, false, {maxAttempts = 3, initialDelayMs = 100}
local function retry_of(retry)
    if retry == nil then return nil end
    if retry == false then return {strategy = "none"} end
    if type(retry) == "number" then return {maxAttempts = retry} end
    if type(retry) == "table" then return retry end
    error("wf.step: retry must be a table, a number of attempts or false", 3)
end

local step_options = {retry = true, compensate = true, timeoutMs = true, atMostOnce = true}
local action_members = {action = true, input = true}
local wait_options = {match = true, timeoutMs = true, since = true}
local signal_options = {timeoutMs = true}
local call_options = {version = true, timeoutMs = true}
local halted = {}

local function drive(chunk, event)
    local results, waiting, occurrences, undos = {}, {}, {}, {}
    local ready, ready_first, ready_last = {}, 1, 0
    local asks, over, current, blocked_on = 0, false, nil, nil
    local wf = {input = native.input(), runId = native.run_id()}

    local function halt()
        over, blocked_on = true, halted
        yield(mark)
        error("the turn is over", 0)
    end

    -- Until the task waits for a part of the run, or ends.
    local function run(task, ...)
        local before = current
        current = task
        local ok, got = resume(task.co, ...)
        while ok and blocked_on == nil and rawequal(got, mark) and
            status(task.co) == "suspended" do
            yield(mark)
            ok, got = resume(task.co)
        end
        current = before
        if ok and status(task.co) == "suspended" then
            local on = blocked_on
            blocked_on = nil
            if on ~= nil then
                task.on = on
                if on ~= halted then waiting[on] = task end
                return
            end
            ok, got = false, "attempt to yield outside of a coroutine"
        end
        blocked_on = nil
        task.done, task.ok, task.value, task.on = true, ok, got, nil
        local join = task.join
        if not join or join.over then return end
        join.left = join.left - 1
        if not ok and not join.failed then join.failed = task end
        if join.races then join.winner = join.winner or task end
        if join.winner or join.left == 0 then
            join.over = true
            local parent = waiting[join]
            if parent then
                waiting[join] = nil
                ready_last = ready_last + 1
                ready[ready_last] = parent
            end
        end
    end

    local function block(on)
        blocked_on = on
        local ok, why = pcall(yield, mark)
        if ok then return end
        blocked_on = nil  -- a callback of table.sort and the like
        error(why, 0)
    end

    local function free(call)
        if native.in_step() then
            error(call .. ": not inside a step, which is done as a whole", 3)
        end
        if over then halt() end
    end

    local function ask(kind, name, label, spec)
        local count = (occurrences[name] or 0) + 1
        occurrences[name] = count
        spec.id = name .. ":" .. count
        spec.type = kind
        local index = asks
        asks = asks + 1
        if native.ask(index, label .. ' "' .. spec.id .. '"' ..
                          (spec.action and ' of action "' .. spec.action .. '"' or ""), spec) then
            halt()
        end
        return index
    end

    local function await(index, id)
        local got = results[index]
        if not got then
            block(index)
            got = results[index]
        end
        if got.ok then return got.value end
        error({code = got.code, message = got.message, step = id}, 0)
    end

    local function finish_step(ok, value)
        if ok then
            local good, why = pcall(native.step_done, value)
            if good then return end
            value = why
        end
        native.step_failed(explain(value))
    end

    function wf.step(name, what, options)
        free("wf.step")
        text_of("wf.step", "the name", name)
        if #name > 100 then error("wf.step: the name is longer than 100 bytes", 2) end
        options = check_options("wf.step", options, step_options)
        local spec = {retry = retry_of(options.retry), atMostOnce = options.atMostOnce}
        if options.timeoutMs ~= nil then
            spec.timeoutMs = span("wf.step", "timeoutMs", options.timeoutMs)
        end
        if type(what) == "table" then
            check_options("wf.step", what, action_members)
            spec.action = text_of("wf.step", "action", what.action)
            spec.input = what.input
        elseif type(what) ~= "function" then
            error("wf.step: what is done must be a function or {action = name, input = ...}", 2)
        end
        local undo = options.compensate
        if type(undo) == "function" then
            spec.compensate = true
        elseif type(undo) == "string" then
            spec.compensate = {action = undo}
        elseif undo ~= nil then
            check_options("wf.step: compensate", undo, action_members)
            text_of("wf.step: compensate", "action", undo.action)
            spec.compensate = undo
        end
        local index = ask("action", name, "step", spec)
        if type(undo) == "function" then undos[spec.id] = undo end
        if type(what) == "function" and not results[index] and native.is_at(spec.id) then
            native.step_begins()
            finish_step(pcall(what, native.step_info()))
            halt()
        end
        return await(index, spec.id)
    end

    function wf.sleep(ms)
        free("wf.sleep")
        local index = ask("sleep", "sleep", "sleep",
                          {durationMs = span("wf.sleep", "the time", ms)})
        await(index)
    end

    local function wait(call, name, label, spec, options, known)
        if type(options) == "number" then options = {timeoutMs = options} end
        options = check_options(call, options, known)
        if options.timeoutMs ~= nil then
            spec.timeoutMs = span(call, "timeoutMs", options.timeoutMs, 4)
        end
        if options.since ~= nil and options.since ~= "run" then
            if options.since ~= "now" then
                error(call .. ": since must be \"run\" (where the run began) or \"now\"", 3)
            end
            spec.since = "now"
        end
        spec.match = options.match
        return await(ask("wait", name, label, spec))
    end
    -- nil when nothing came in time
    function wf.waitEvent(pattern, options)
        free("wf.waitEvent")
        text_of("wf.waitEvent", "the pattern", pattern)
        return wait("wf.waitEvent", "event:" .. pattern:sub(1, 92), "wait", {event = pattern},
                    options, wait_options)
    end
    function wf.signal(name, options)
        free("wf.signal")
        text_of("wf.signal", "the name", name)
        return wait("wf.signal", "signal:" .. name:sub(1, 91), "wait", {signal = name}, options,
                    signal_options)
    end

    function wf.call(id, input, options)
        free("wf.call")
        text_of("wf.call", "the workflow's id", id)
        options = check_options("wf.call", options, call_options)
        local spec = {workflowId = id, input = input, version = options.version}
        if options.timeoutMs ~= nil then
            spec.timeoutMs = span("wf.call", "timeoutMs", options.timeoutMs)
        end
        local name = "call:" .. id:sub(1, 93)
        local index = ask("workflow", name, "call", spec)
        return await(index, spec.id)
    end

    -- ---- branches

    local function branch(call, list, races)
        free(call)
        if type(list) ~= "table" or #list == 0 or #list > 1000 then
            error(call .. ": a list of 1 to 1000 functions is wanted", 3)
        end
        local join = {left = #list, races = races, tasks = {}}
        for i = 1, #list do
            if type(list[i]) ~= "function" then
                error(call .. ": branch " .. i .. " is no function but a " .. type(list[i]), 3)
            end
            join.tasks[i] = {co = create(list[i]), join = join, number = i}
        end
        for i = 1, #list do
            run(join.tasks[i])
            if over then halt() end
            if join.winner then break end
        end
        if not join.over then block(join) end
        return join
    end

    function wf.all(list)
        local join = branch("wf.all", list, false)
        if join.failed then error(join.failed.value, 0) end
        local values = {}
        for i = 1, #join.tasks do values[i] = join.tasks[i].value end
        return values
    end

    local function leave(task)
        local on = task.on
        if task.done or on == nil then return end
        waiting[on], task.on = nil, nil
        if type(on) == "number" then return native.leave(on) end
        if on.tasks then
            on.over = true
            for i = 1, #on.tasks do leave(on.tasks[i]) end
        end
    end
    -- value, number of the branch
    function wf.race(list)
        local join = branch("wf.race", list, true)
        for i = 1, #join.tasks do leave(join.tasks[i]) end
        if not join.winner.ok then error(join.winner.value, 0) end
        return join.winner.value, join.winner.number
    end

    -- ---- the same each time

    wf.now, wf.uuid = native.now, native.uuid
    function wf.random(from, to)
        local drawn = native.random()
        if from == nil then return drawn end
        if to == nil then from, to = 1, from end
        if type(from) ~= "number" or type(to) ~= "number" or from > to then
            error("wf.random: the interval is empty", 2)
        end
        return from + floor(drawn * (to - from + 1))
    end

    function wf.continueAsNew(input)
        free("wf.continueAsNew")
        native.continues(input)
        halt()
    end

    -- ---- the way

    local main = {co = create(function()
        setfenv(chunk, environment())
        local handler = chunk()
        if type(handler) ~= "function" then
            error("the script of a workflow returns function(event, wf)", 0)
        end
        return handler(event, wf)
    end)}
    run(main)
    while not over and not main.done do
        local index, ok, value, message = native.come()
        if not index then break end
        results[index] = ok and {ok = true, value = value} or
                             {ok = false, code = value, message = message}
        local task = waiting[index]
        if task then
            waiting[index] = nil
            run(task)
        end
        while not over and ready_first <= ready_last do
            task = ready[ready_first]
            ready[ready_first] = nil
            ready_first = ready_first + 1
            run(task)
        end
    end
    if over or native.falls_short(asks, main.done or false) then return end
    local undone = native.undone()
    if undone then
        local undo = {co = create(function()
            native.step_begins()
            finish_step(pcall(undos[undone], native.step_info()))
            halt()
        end)}
        if not undos[undone] then return native.has_no_undo(undone) end
        return run(undo)
    end
    if not main.done then return native.waits() end
    if main.ok then
        local good, why = pcall(native.returned, main.value)
        if good then return end
        main.value = why
    end
    native.raised(explain(main.value))
end
return drive
)lua";

}  // namespace millrace::runtime
