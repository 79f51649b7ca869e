// What Restate is asked for in bench/restate.py: a handler of three durable steps, and one of none.
import * as restate from "@restatedev/restate-sdk";

// The SDK asks for a Node that has it; nothing else of one is needed.
Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new this((well, ill) => {
    resolve = well;
    reject = ill;
  });
  return { promise, resolve, reject };
};

const step = (n) => async () => ({ n });

const bench = restate.service({
  name: "bench",
  handlers: {
    three: async (ctx, input) => {
      let out = input;
      for (const name of ["s1", "s2", "s3"]) out = await ctx.run(name, step(out.n));
      return out;
    },
    one: async (ctx, input) => ({ n: input.n }),
  },
});

restate.serve({ services: [bench], port: Number(process.env.BENCH_PORT) });
