"""Whether a webhook is from this server: Standard Webhooks 1.0, HMAC-SHA256."""
import base64
import binascii
import hashlib
import hmac
import time

from .errors import SignatureError


def verify_webhook(secrets, headers, body, tolerance=300, now=None):
    """`secrets`: one or several ("whsec_..."); `headers`: any mapping; `body`: the bytes as they came.
    Returns the delivery's id, which is the same when it is sent again. Raises SignatureError."""
    given = {str(name).lower(): value for name, value in dict(headers).items()}
    delivery = given.get("webhook-id")
    at = given.get("webhook-timestamp", "")
    signatures = given.get("webhook-signature", "")
    if not delivery or not signatures:
        raise SignatureError("webhook-id, webhook-timestamp and webhook-signature are needed")
    try:
        seconds = int(at)
    except ValueError:
        raise SignatureError("webhook-timestamp is no number of seconds") from None
    if abs((time.time() if now is None else now) - seconds) > tolerance:
        raise SignatureError("the webhook is too old, or from the future")
    if isinstance(body, str):
        body = body.encode()
    text = f"{delivery}.{at}.".encode() + body
    fits = False
    for secret in [secrets] if isinstance(secrets, str) else secrets:
        try:
            key = base64.b64decode(secret[6:] if secret.startswith("whsec_") else secret)
        except binascii.Error:
            raise SignatureError("a secret is no base64") from None
        wanted = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
        for signature in signatures.split(" "):
            if signature.startswith("v1,") and hmac.compare_digest(signature[3:], wanted):
                fits = True
    if not fits:
        raise SignatureError("no signature fits")
    return delivery
