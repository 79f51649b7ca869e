"""Of a batch that a cluster cuts up by key, what nobody can take at the moment stands in `rejected`
with 503 (or 429), while the rest is taken: it is sent again by itself, and one answer is made of all."""
from .errors import MillraceError
from .transport import REFUSED


def _spread(answer, count):
    refused = {entry["index"]: entry for entry in answer["rejected"]}
    taken = iter(answer["events"])
    return [(None, refused[at]) if at in refused else (next(taken, None), None)
            for at in range(count)]


def send_in_parts(events, send_once, turns, pause):
    """`send_once(events)`: the answer to these; `pause(turn)` returns when it may be tried again."""
    answer = send_once(events)
    outcomes = _spread(answer, len(events))
    for turn in range(turns):
        left = [at for at, (_, refused) in enumerate(outcomes)
                if refused and refused["error"].get("statusCode") in REFUSED]
        if not left:
            break
        pause(turn)
        try:
            more = send_once([events[at] for at in left])
        except MillraceError:
            break  # what was refused stays so: the rest was taken, and has to be told
        for at, outcome in zip(left, _spread(more, len(left))):
            outcomes[at] = outcome
        answer["accepted"] += more["accepted"]
        answer["duplicates"] += more["duplicates"]
        if "partitions" in answer:
            answer["partitions"] += more.get("partitions", [])
    answer["events"] = [event for event, _ in outcomes if event is not None]
    answer["rejected"] = [{**refused, "index": at} for at, (_, refused) in enumerate(outcomes)
                          if refused]
    return answer
