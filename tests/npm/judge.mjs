// What: a receiver that believes only what the packages of others believe, and a sender that signs
//       with them. Prints its port; GET /results tells what became of each call.
import http from "node:http";
import { Webhook as StandardWebhook } from "standardwebhooks";
import { Webhook as SvixWebhook } from "svix";
import { HTTP } from "cloudevents";
import Stripe from "stripe";
import { sign } from "@octokit/webhooks-methods";

const results = [];
const secrets = {};

function read(request) {
    return new Promise((resolve) => {
        const parts = [];
        request.on("data", (part) => parts.push(part));
        request.on("end", () => resolve(Buffer.concat(parts)));
    });
}

// What each judge makes of a request; throws when it does not believe it.
const judges = {
    "/standard": (headers, body) => new StandardWebhook(secrets.standard).verify(body.toString(), headers),
    "/svix": (headers, body) => new SvixWebhook(secrets.svix).verify(body.toString(), headers),
    "/cloudevents": (headers, body) => HTTP.toEvent({ headers, body: body.toString() }).toJSON(),
};

async function signed(kind, body, secret) {
    if (kind === "github") return { "X-Hub-Signature-256": await sign(secret, body) };
    const header = Stripe.webhooks.generateTestHeaderString({ payload: body, secret });
    return { "Stripe-Signature": header };
}

http.createServer(async (request, response) => {
    const body = await read(request);
    const answer = (status, value) => {
        response.writeHead(status, { "content-type": "application/json" });
        response.end(JSON.stringify(value));
    };
    if (request.url === "/results") return answer(200, results);
    if (request.url === "/secrets") {
        Object.assign(secrets, JSON.parse(body));
        return answer(200, {});
    }
    if (request.url === "/sign") {
        const { kind, text, secret } = JSON.parse(body);
        return answer(200, await signed(kind, text, secret));
    }
    const judge = judges[request.url];
    if (!judge) return answer(404, {});
    try {
        results.push({ path: request.url, event: judge(request.headers, body) });
        answer(200, {});
    } catch (error) {
        results.push({ path: request.url, error: String(error) });
        answer(400, { error: String(error) });
    }
}).listen(0, "127.0.0.1", function () {
    console.log(this.address().port);
});
