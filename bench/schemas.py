#!/usr/bin/env python3
"""What a schema costs those who send.

Question: batches of 1000 invoices to a server without schemas, to one that has a schema for another
pattern, to one that has the invoice's schema, with an assertion, with a transition, with a script:
events a second and the server's CPU an event, in alternating turns, and the medians of the ratios to
"none" of the same turn. On a busy machine only the CPU says something.
Budget: the invoice's schema costs 3 % at most.

    bench/schemas.py [--turns 5] [--seconds 4] [--only none,other,schema,assert,transition,script]
"""
import argparse
import os
import statistics
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench_common as common

# What fits the load generator's event (bench/corpus/invoice_event.json).
INVOICE = {"type": "object", "required": ["invoiceId", "customer", "amount", "currency"],
           "properties": {"invoiceId": {"type": "string", "pattern": "^INV-[0-9]+$", "maxLength": 32},
                          "customer": {"type": "string", "minLength": 2, "maxLength": 32},
                          "amount": {"type": "number", "minimum": 0},
                          "currency": {"enum": ["EUR", "USD", "GBP"]},
                          "paid": {"type": "boolean"}, "lines": {"type": "integer", "minimum": 1, "maximum": 1000}}}
RULES = {"assert": [{"assert": "$.amount >= 0 && $.currency != 'ZZZ'"}],
         # Each event is a key of its own.
         "transition": [{"transition": {"key": "$.eventId", "field": "$.currency", "allowed": {"null": ["EUR"]}}}],
         "script": [{"scriptId": "rule"}]}
WHATS = ("none", "other", "schema", "assert", "transition", "script")


def turn(what, seconds):
    with common.millrace() as ready:
        def ask(path, body):
            return common.request(ready["http"], "POST", path, body)
        if what == "script":
            ask("/v2/scripts", {"id": "rule", "name": "rule", "source": "return function(e) return e.payload.amount >= 0 end"})
        if what != "none":
            ask("/v2/schemas", {"id": "s", "pattern": "nobody.*" if what == "other" else "svc*.invoice.created", "schema": INVOICE,
                                "rules": RULES.get(what, [])})
        got = common.load(ready["http"], "http-batch", server_pid=ready["process"].pid, connections=4, batch=1000,
                          warmup=1, seconds=seconds)
        return got["eventsPerSecond"], got["serverCpuSeconds"] * 1e6 / got["events"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--only", default=",".join(WHATS))
    options = parser.parse_args()
    whats = options.only.split(",")
    rates, costs = {what: [] for what in whats}, {what: [] for what in whats}
    for _ in range(options.turns):
        for what in whats:
            rate, cost = turn(what, options.seconds)
            rates[what].append(rate)
            costs[what].append(cost)

    def of_none(values, what):
        return statistics.median(a / b for a, b in zip(values[what], values["none"]))

    for what in whats:
        line = (f"{what:10s} {statistics.median(rates[what]):12,.0f} events/s"
                f" {statistics.median(costs[what]):7.2f} us of CPU an event")
        if "none" in rates:
            line += f"; of none: {of_none(rates, what):.3f} of the rate, {of_none(costs, what):.3f} times the CPU"
        print(line)


if __name__ == "__main__":
    main()
