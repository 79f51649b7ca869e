// What: GraphQL as the packages of others see it. One argument says what is asked, the second where the
//       server is; what came of it is one line of JSON.
//   documents N SEED   N documents, made by mutation: does the server take what the package graphql takes?
//   sockets PATTERN    graphql-ws: a query, a mistake, a subscription from the beginning on
//   events PATTERN     graphql-sse: the same
//   fanout N           N sockets, one of them asleep: how long an event takes to the others
import http from "node:http";
import {
    buildClientSchema, getIntrospectionQuery, getVariableValues, lexicographicSortSchema, parse, printSchema, Source,
    validate, validateSchema, Lexer,
} from "graphql";
import { createClient as createSocketClient } from "graphql-ws";
import { createClient as createEventClient } from "graphql-sse";
import WebSocket from "ws";

const [what, server, ...rest] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });

function post(path, body) {
    return new Promise((resolve, reject) => {
        const request = http.request(`http://${server}${path}`,
            { method: "POST", agent, headers: { "content-type": "application/json" } }, (response) => {
                const parts = [];
                response.on("data", (part) => parts.push(part));
                response.on("end", () => resolve(JSON.parse(Buffer.concat(parts).toString())));
            });
        request.on("error", reject);
        request.end(JSON.stringify(body));
    });
}
const ask = (query) => post("/v2/graphql", { query });

// Small numbers from a seed (mulberry32).
function random(seed) {
    let state = seed >>> 0;
    return (below) => {
        state = (state + 0x6d2b79f5) >>> 0;
        let t = Math.imul(state ^ (state >>> 15), state | 1);
        t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
        return ((t ^ (t >>> 14)) >>> 0) % below;
    };
}

const SEEDS = [
    "{events(pattern:\"a.*\",limit:3,order:asc){items{eventId payload source{type id}}next}}",
    "query Q($p:String=\"x\",$n:Boolean=false){e:events(pattern:$p){items{...E}next @skip(if:$n)}}fragment E on Event{eventId shard}",
    "{a:event(id:1){shard}b:event(id:\"x\",sourceType:\"task\"){__typename metadata{context{id}}}}",
    "{deadLetters{items{id attempts event{pattern}}}executions(status:dead){items{id status attempts{at}}}}",
    "subscription S($a:String){events(after:$a,filter:null){position}}",
    "{__type(name:\"Event\"){name fields(includeDeprecated:true){name type{kind ofType{name}}}}position}",
    "query A($i:ID=\"1\"){event(id:$i)@include(if:true){...on Event{eventId ...@skip(if:false){shard}}}}",
    "{events(cursor:\"\"\"\n  a\n  \\\"\"\"\n\"\"\"){next}x:position y:position}",
    "query A{...Q}fragment Q on Query{position ...R}fragment R on Query{position events{next}}",
];
const WORDS = [
    "{", "}", "(", ")", "[", "]", ":", "!", "...", "@", "$", "=", ",", "\"x\"", "\"\\u00e9\"", "1", "-1", "1.5", "null", "true",
    "asc", "dead", "$p", "$n", "$a", "$i", "query", "subscription", "fragment", "on", "Event", "Query", "EventPage", "String",
    "Boolean!", "ID!", "Int", "events", "event", "items", "eventId", "shard", "next", "position", "id", "pattern", "limit", "order",
    "status", "@skip(if:true)", "@include(if:$n)", "__typename", "E", "Q", "a:", "# c\n", "01", "\"\\q\"", "?", "&", "|",
];

function tokens(text) {
    const lexer = new Lexer(new Source(text));
    const out = [];
    for (let token = lexer.advance(); token.kind !== "<EOF>"; token = lexer.advance())
        out.push(text.slice(token.start, token.end));
    return out;
}

function mutate(text, pick) {
    const parts = tokens(text);
    for (let i = 1 + pick(3); i > 0; --i) {
        const at = pick(parts.length);
        const how = pick(5);
        if (how === 0) parts.splice(at, 1);
        else if (how === 1) parts.splice(at, 0, WORDS[pick(WORDS.length)]);
        else if (how === 2) parts[at] = WORDS[pick(WORDS.length)];
        else if (how === 3) parts.splice(at, 0, parts[pick(parts.length)]);
        else parts[at] = parts[pick(parts.length)];
        if (parts.length === 0) break;
    }
    return parts.join(" ");
}

// true, false, or null: what the server does not take for reasons of its own.
function verdict(schema, text) {
    let document;
    try {
        document = parse(text);
    } catch {
        return false;
    }
    const operations = document.definitions.filter((d) => d.kind === "OperationDefinition");
    if (operations.some((o) => o.operation === "mutation") || operations.length !== 1) return null;
    if (document.definitions.some((d) => !["OperationDefinition", "FragmentDefinition"].includes(d.kind))) return false;
    if (validate(schema, document).length > 0) return false;
    return !getVariableValues(schema, operations[0].variableDefinitions ?? [], {}).errors;
}

async function documents(count, seed) {
    const told = (await ask(getIntrospectionQuery({ specifiedByUrl: true, inputValueDeprecation: true }))).data;
    const schema = buildClientSchema(told);
    const wrong = validateSchema(schema).map(String);
    const pick = random(seed);
    const differ = [];
    let taken = 0, refused = 0;
    for (let i = 0; i < count; ++i) {
        const text = i < SEEDS.length ? SEEDS[i] : mutate(SEEDS[pick(SEEDS.length)], pick);
        const expected = verdict(schema, text);
        if (expected === null) continue;
        const answer = await ask(text);
        const message = answer.errors?.[0]?.message ?? answer.error?.message ?? "";
        const found = "data" in answer || message.startsWith("subscriptions come");
        if (found) ++taken;
        else ++refused;
        if (found !== expected) differ.push({ text, expected, message });
    }
    return { wrong, taken, refused, differ, lines: printSchema(lexicographicSortSchema(schema)).split("\n").length };
}

async function follow(client, pattern) {
    const out = { events: [], mistake: null, query: null };
    for await (const result of client.iterate({ query: "{position}" })) out.query = result.data;
    try {
        for await (const result of client.iterate({ query: "{color}" })) out.mistake = result.errors?.[0]?.message;
    } catch (errors) {
        out.mistake = (Array.isArray(errors) ? errors[0] : errors).message;
    }
    const query = "subscription($p:String,$a:String){events(pattern:$p,after:$a){position payload}}";
    let after = "beginning";
    while (out.events.length < 4) {
        // Two at a time: the second one begins where the first has ended.
        for await (const result of client.iterate({ query, variables: { p: pattern, a: after } })) {
            out.events.push(result.data.events.payload.n);
            after = result.data.events.position;
            if (out.events.length % 2 === 0) break;
        }
    }
    return out;
}

function percentile(sorted, share) {
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

async function fanout(count) {
    const figures = {};
    const pattern = "fanout.now";
    const arrivals = [];
    const open = (reads) => new Promise((resolve, reject) => {
        const socket = new WebSocket(`ws://${server}/v2/graphql`, "graphql-transport-ws");
        socket.on("error", reject);
        socket.on("open", () => socket.send(JSON.stringify({ type: "connection_init" })));
        socket.on("message", (data) => {
            const message = JSON.parse(data);
            if (message.type === "connection_ack") {
                socket.send(JSON.stringify({ id: "1", type: "subscribe", payload: {
                    query: `subscription{events(pattern:"${pattern}"){payload}}` } }));
                socket.send(JSON.stringify({ type: "ping" }));
            } else if (message.type === "pong") {
                if (!reads) socket._socket.pause();
                resolve(socket);
            } else if (message.type === "next") {
                arrivals.push(performance.now() - message.payload.data.events.payload.at);
            } else {
                reject(new Error(data));
            }
        });
    });
    const sockets = [];
    const run = async (name, readers, events) => {
        arrivals.length = 0;
        const text = "x".repeat(4000);
        for (let i = 0; i < events; ++i) {
            await post("/v2/events", { pattern, payload: { at: performance.now(), text } });
            await new Promise((resolve) => setTimeout(resolve, 100));
        }
        for (let i = 0; i < 300 && arrivals.length < readers * events; ++i)
            await new Promise((resolve) => setTimeout(resolve, 100));
        const sorted = arrivals.slice().sort((a, b) => a - b);
        figures[name] = { got: arrivals.length, of: readers * events, p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) };
    };
    for (let i = 0; i < count - 1; ++i) sockets.push(await open(true));
    await run("warm", count - 1, 5);
    await run("awake", count - 1, 50);
    sockets.push(await open(false));
    await run("oneAsleep", count - 1, 150);
    for (const socket of sockets) socket.terminate();
    return figures;
}

let result;
if (what === "documents") {
    result = await documents(Number(rest[0]), Number(rest[1]));
} else if (what === "fanout") {
    result = await fanout(Number(rest[0]));
} else if (what === "sockets") {
    const client = createSocketClient({ url: `ws://${server}/v2/graphql`, webSocketImpl: WebSocket, retryAttempts: 0 });
    result = await follow(client, rest[0]);
    await client.dispose();
} else {
    const client = createEventClient({ url: `http://${server}/v2/graphql`, retryAttempts: 0 });
    result = await follow(client, rest[0]);
    client.dispose();
}
console.log(JSON.stringify(result));
process.exit(0);
