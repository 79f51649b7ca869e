"""Ids that the client makes."""
import uuid


def with_id(event):
    """The event with an id of its own: what is sent again is a duplicate at worst."""
    if "pattern" not in event:
        raise ValueError("an event needs a pattern")
    return event if event.get("eventId") else {**event, "eventId": str(uuid.uuid4())}
