// @grpc/grpc-js as a client of millrace.v2.Events: what it publishes it subscribes, over a restart too.
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";

const [, , what, address, proto, ...rest] = process.argv;
const options = { keepCase: true, longs: Number, defaults: true };
const loaded = grpc.loadPackageDefinition(loader.loadSync("millrace/v2/events.proto", { ...options, includeDirs: [proto] }));
const Events = loaded.millrace.v2.Events;
const connect = (more = {}) => new Events(address, grpc.credentials.createInsecure(), more);

function publish(client, requests, metadata = new grpc.Metadata()) {
  return new Promise((resolve, reject) => {
    const acks = [];
    const call = client.Publish(metadata);
    call.on("data", (ack) => acks.push(ack));
    call.on("error", reject);
    call.on("status", (status) => status.code === 0 && resolve(acks));
    (async () => {
      for (const request of requests) {
        if (!call.write(request)) await new Promise((go) => call.once("drain", go));
      }
      call.end();
    })();
  });
}

// Until `count` events came; then it cancels.
function follow(client, ask, count) {
  return new Promise((resolve, reject) => {
    const events = [];
    const call = client.Subscribe(ask);
    call.on("data", (event) => {
      events.push(event);
      if (events.length === count) call.cancel();
    });
    call.on("error", (error) => (error.code === grpc.status.CANCELLED ? resolve(events) : reject(error)));
  });
}

const told = (event) => ({ n: JSON.parse(event.payload).n, id: event.event_id, position: event.position });

async function judge() {
  const client = connect();
  if (what === "follow") {
    const [pattern, count] = [rest[0], Number(rest[1])];
    const requests = Array.from({ length: count }, (_, n) => ({
      events: [{ pattern, payload: JSON.stringify({ n }), event_id: `${pattern}-${n}`, partition_key: "k" }],
    }));
    const live = follow(client, { pattern }, count);
    await new Promise((go) => setTimeout(go, 300));
    const acks = await publish(client, requests);
    const events = (await live).map(told);
    const again = (await follow(client, { pattern, after: events[Math.floor(count / 2) - 1].position }, count / 2)).map(told);
    return { indices: acks.map((ack) => ack.index), outcomes: acks.map((ack) => ack.outcomes[0]), events, again };
  }
  if (what === "resume") {
    const [pattern, count, after] = [rest[0], Number(rest[1]), rest[2] ?? ""];
    return { events: (await follow(client, { pattern, after }, count)).map(told) };
  }
  if (what === "mistakes") {
    const failed = (run) => run.then(() => "no error", (error) => grpc.status[error.code]);
    const metadata = new grpc.Metadata();
    metadata.set("authorization", "Bearer nobody");
    return {
      filter: await failed(follow(client, { filter: "$.n >" }, 1)),
      deadline: await failed(
        new Promise((resolve, reject) => {
          const call = client.Subscribe({ pattern: "no.such" }, { deadline: Date.now() + 300 });
          call.on("data", () => {});
          call.on("error", reject);
          call.on("end", resolve);
        }),
      ),
      large: await failed(publish(client, [{ events: [{ pattern: "a", payload: JSON.stringify({ p: "x".repeat(5 << 20) }) }] }])),
      gzip: (await publish(connect({ "grpc.default_compression_algorithm": 2 }), [{ events: [{ pattern: rest[0], payload: "{}" }] }]))
        .length,
    };
  }
  if (what === "asleep") {
    // Of two followers one reads nothing; the other gets all.
    const [pattern, count] = [rest[0], Number(rest[1])];
    const sleeper = connect().Subscribe({ pattern });
    sleeper.pause();
    sleeper.on("error", () => {});
    const live = follow(client, { pattern }, count);
    await new Promise((go) => setTimeout(go, 300));
    const pad = "x".repeat(1000);
    await publish(
      client,
      Array.from({ length: count }, (_, n) => ({ events: [{ pattern, payload: JSON.stringify({ n, pad }), partition_key: "k" }] })),
    );
    const awake = (await live).map((event) => told(event).n);
    const late = [];
    await new Promise((resolve) => {
      sleeper.on("data", (event) => {
        late.push(told(event).n);
        if (late.length === count) resolve();
      });
      sleeper.resume();
    });
    sleeper.cancel();
    return { awake, late };
  }
  throw new Error(`what is ${what}?`);
}

judge().then(
  (found) => {
    process.stdout.write(JSON.stringify(found) + "\n", () => process.exit(0));
  },
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
