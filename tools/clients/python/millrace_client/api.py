"""Shapes of what the API takes and answers. Made by tools/clients/generate.py of /openapi.json: not changed by hand."""
from typing import Any, Dict, List, Literal, TypedDict, Union


_Error = TypedDict("_Error", {
    "success": "Literal[False]",
    "error": "ErrorBody",
})

class Error(_Error):
    pass


_ErrorBody = TypedDict("_ErrorBody", {
    "message": "str",
    "code": "Literal['UNAUTHORIZED', 'FORBIDDEN', 'NOT_FOUND', 'METHOD_NOT_ALLOWED', 'CONFLICT', 'GONE', 'VALIDATION_ERROR', 'PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE', 'RATE_LIMIT_EXCEEDED', 'INTERNAL_ERROR', 'UNAVAILABLE', 'REQUEST_TIMEOUT', 'URI_TOO_LONG', 'EXPECTATION_FAILED', 'HEADERS_TOO_LARGE', 'NOT_SUPPORTED', 'HTTP_VERSION_NOT_SUPPORTED']",
    "statusCode": "int",
    "details": "Dict[str, Any]",
})

class ErrorBody(_ErrorBody):
    pass


_SuccessFurther = TypedDict("_SuccessFurther", {
    "success": "Literal[True]",
}, total=False)

class Success(_SuccessFurther):
    pass

MergePatch = Dict[str, Any]

_Source = TypedDict("_Source", {
    "type": "Literal['workflow', 'task', 'integration', 'external']",
    "id": "str",
})

class Source(_Source):
    pass


_MetadataFurther = TypedDict("_MetadataFurther", {
    "correlationId": "str",
    "causationId": "str",
    "context": "Dict[str, Any]",
}, total=False)

class Metadata(_MetadataFurther):
    pass


_NewEvent = TypedDict("_NewEvent", {
    "pattern": "str",
})
_NewEventFurther = TypedDict("_NewEventFurther", {
    "eventId": "str",
    "version": "Union[str, float]",
    "source": "Source",
    "timestamp": "str",
    "payload": "Dict[str, Any]",
    "metadata": "Metadata",
    "partitionKey": "str",
    "priority": "Union[int, str]",
    "scheduledAt": "str",
    "tenantId": "str",
}, total=False)

class NewEvent(_NewEvent, _NewEventFurther):
    pass

NewEvents = Union["NewEvent", List["NewEvent"]]

_Event = TypedDict("_Event", {
    "eventId": "str",
    "pattern": "str",
    "tenantId": "str",
    "receivedAt": "str",
    "shard": "int",
    "offset": "int",
})
_EventFurther = TypedDict("_EventFurther", {
    "source": "Source",
    "timestamp": "str",
    "payload": "Dict[str, Any]",
    "metadata": "Metadata",
    "traceparent": "str",
    "tracestate": "str",
}, total=False)

class Event(_Event, _EventFurther):
    pass


_EventCount = TypedDict("_EventCount", {
    "count": "int",
    "next": "Union[str, None]",
    "scanned": "int",
    "searched": "float",
})

class EventCount(_EventCount):
    pass


_Taken = TypedDict("_Taken", {
    "success": "Literal[True]",
    "accepted": "int",
    "duplicates": "int",
    "rejected": "List[Dict[str, Any]]",
})
_TakenFurther = TypedDict("_TakenFurther", {
    "durability": "Literal['fsync', 'os', 'memory', 'replicated']",
    "partition": "OfPartition",
    "epoch": "int",
    "events": "List[Dict[str, Any]]",
}, total=False)

class Taken(_Taken, _TakenFurther):
    pass


_Trace = TypedDict("_Trace", {
    "event": "Event",
    "deliveries": "List[Execution]",
    "causes": "List[Dict[str, Any]]",
    "caused": "List[Dict[str, Any]]",
    "truncated": "bool",
})
_TraceFurther = TypedDict("_TraceFurther", {
    "causedBy": "Union[str, None]",
    "partition": "OfPartition",
}, total=False)

class Trace(_Trace, _TraceFurther):
    pass


_NewScript = TypedDict("_NewScript", {
    "source": "str",
})
_NewScriptFurther = TypedDict("_NewScriptFurther", {
    "id": "str",
    "name": "str",
    "type": "str",
    "enabled": "bool",
    "timeoutMs": "int",
    "memoryBytes": "int",
    "permissions": "List[Literal['http', 'kv', 'emit', 'secrets']]",
    "recordCalls": "bool",
    "allow": "Dict[str, Any]",
}, total=False)

class NewScript(_NewScript, _NewScriptFurther):
    pass


_Script = TypedDict("_Script", {
    "id": "str",
    "name": "str",
    "type": "str",
    "source": "str",
    "enabled": "bool",
    "timeoutMs": "int",
    "memoryBytes": "int",
    "permissions": "List[str]",
    "version": "int",
})
_ScriptFurther = TypedDict("_ScriptFurther", {
    "createdAt": "str",
    "updatedAt": "str",
}, total=False)

class Script(_Script, _ScriptFurther):
    pass


_NewCanary = TypedDict("_NewCanary", {
    "version": "int",
})
_NewCanaryFurther = TypedDict("_NewCanaryFurther", {
    "percent": "float",
    "rollbackOn": "CanaryRules",
}, total=False)

class NewCanary(_NewCanary, _NewCanaryFurther):
    pass


_CanaryRulesFurther = TypedDict("_CanaryRulesFurther", {
    "errorRate": "float",
    "p99Factor": "float",
    "difference": "float",
    "minRuns": "int",
}, total=False)

class CanaryRules(_CanaryRulesFurther):
    pass


_CanaryArm = TypedDict("_CanaryArm", {
    "version": "int",
    "runs": "int",
    "failures": "int",
    "p99Ms": "float",
})

class CanaryArm(_CanaryArm):
    pass


_Canary = TypedDict("_Canary", {
    "scriptId": "str",
    "version": "int",
    "percent": "float",
    "mode": "Literal['canary', 'shadow']",
    "state": "Literal['running', 'rolledBack', 'superseded']",
    "reason": "Union[str, None]",
    "rollbackOn": "CanaryRules",
    "candidate": "CanaryArm",
    "baseline": "CanaryArm",
    "compared": "int",
    "different": "int",
})
_CanaryFurther = TypedDict("_CanaryFurther", {
    "missing": "MissingPartitions",
}, total=False)

class Canary(_Canary, _CanaryFurther):
    pass


_ScriptRun = TypedDict("_ScriptRun", {
    "scriptId": "str",
})
_ScriptRunFurther = TypedDict("_ScriptRunFurther", {
    "query": "Dict[str, Any]",
    "body": "Any",
    "event": "Dict[str, Any]",
}, total=False)

class ScriptRun(_ScriptRun, _ScriptRunFurther):
    pass


_ScriptAnswer = TypedDict("_ScriptAnswer", {
    "success": "Literal[True]",
    "result": "Any",
    "logs": "List[Any]",
    "executionId": "str",
    "durationMs": "float",
})

class ScriptAnswer(_ScriptAnswer):
    pass

Pattern = Union[str, Dict[str, Any]]

_Executor = TypedDict("_Executor", {
    "type": "Literal['script', 'webhook', 'command', 'workflow', 'link', 'action']",
})
_ExecutorFurther = TypedDict("_ExecutorFurther", {
    "scriptId": "str",
    "linkId": "str",
    "url": "str",
    "command": "str",
    "args": "List[str]",
    "workflowId": "str",
    "headers": "Dict[str, Any]",
    "timeoutMs": "int",
    "transformScriptId": "str",
}, total=False)

class Executor(_Executor, _ExecutorFurther):
    pass


_RetryFurther = TypedDict("_RetryFurther", {
    "maxRetries": "int",
    "initialDelayMs": "int",
    "maxDelayMs": "int",
    "backoffFactor": "float",
    "jitter": "bool",
    "schedule": "str",
}, total=False)

class Retry(_RetryFurther):
    pass


_NewSubscription = TypedDict("_NewSubscription", {
    "pattern": "Pattern",
    "executor": "Executor",
})
_NewSubscriptionFurther = TypedDict("_NewSubscriptionFurther", {
    "id": "str",
    "name": "str",
    "filters": "Union[Dict[str, Any], List[Any]]",
    "filter": "str",
    "form": "str",
    "priority": "int",
    "retry": "Retry",
    "ordering": "str",
    "edges": "Literal['*', None]",
    "active": "bool",
}, total=False)

class NewSubscription(_NewSubscription, _NewSubscriptionFurther):
    pass


_Subscription = TypedDict("_Subscription", {
    "id": "str",
    "name": "str",
    "pattern": "Pattern",
    "executor": "Executor",
    "active": "bool",
    "paused": "bool",
    "version": "int",
})
_SubscriptionFurther = TypedDict("_SubscriptionFurther", {
    "priority": "int",
    "retry": "Retry",
    "edges": "str",
    "createdAt": "str",
    "updatedAt": "str",
}, total=False)

class Subscription(_Subscription, _SubscriptionFurther):
    pass


_Matched = TypedDict("_Matched", {
    "matched": "List[str]",
})
_MatchedFurther = TypedDict("_MatchedFurther", {
    "explain": "Union[Dict[str, Any], List[Any]]",
    "nearMisses": "List[Any]",
}, total=False)

class Matched(_Matched, _MatchedFurther):
    pass


_Preview = TypedDict("_Preview", {
    "scanned": "int",
    "matched": "int",
    "byPattern": "List[Dict[str, Any]]",
})
_PreviewFurther = TypedDict("_PreviewFurther", {
    "unreadable": "int",
    "otherPatterns": "int",
    "samples": "List[Dict[str, Any]]",
    "nearMisses": "List[Dict[str, Any]]",
    "gained": "int",
    "gainedSamples": "List[Dict[str, Any]]",
    "lost": "int",
    "lostSamples": "List[Dict[str, Any]]",
    "indexed": "bool",
}, total=False)

class Preview(_Preview, _PreviewFurther):
    pass


_Execution = TypedDict("_Execution", {
    "id": "str",
    "status": "str",
    "attempts": "List[Dict[str, Any]]",
    "logs": "List[Any]",
    "result": "Any",
})
_ExecutionFurther = TypedDict("_ExecutionFurther", {
    "eventId": "Union[str, None]",
    "subscriptionId": "Union[str, None]",
    "scriptId": "Union[str, None]",
    "scriptVersion": "Union[int, None]",
}, total=False)

class Execution(_Execution, _ExecutionFurther):
    pass


_RetryRow = TypedDict("_RetryRow", {
    "executionId": "str",
    "attempt": "int",
    "dueAt": "Union[str, None]",
    "parked": "bool",
    "held": "bool",
})
_RetryRowFurther = TypedDict("_RetryRowFurther", {
    "eventId": "Union[str, None]",
    "subscriptionId": "Union[str, None]",
    "partition": "OfPartition",
}, total=False)

class RetryRow(_RetryRow, _RetryRowFurther):
    pass


_DeadLetter = TypedDict("_DeadLetter", {
    "id": "str",
    "tenantId": "str",
    "subscriptionId": "str",
    "eventType": "str",
    "eventId": "str",
    "error": "str",
    "errorFingerprint": "str",
    "retryCount": "int",
    "maxRetries": "int",
    "attempts": "List[Any]",
    "createdAt": "str",
    "updatedAt": "str",
})
_DeadLetterFurther = TypedDict("_DeadLetterFurther", {
    "scriptId": "Union[str, None]",
    "event": "Union[Dict[str, Any], None]",
    "edited": "Dict[str, Any]",
    "nextRetryAt": "Union[str, None]",
}, total=False)

class DeadLetter(_DeadLetter, _DeadLetterFurther):
    pass


_DeadLetterGroup = TypedDict("_DeadLetterGroup", {
    "fingerprint": "str",
    "count": "int",
    "state": "GroupState",
    "cameAgain": "bool",
    "error": "str",
    "firstAt": "str",
    "lastAt": "str",
    "subscriptionIds": "List[str]",
    "eventTypes": "List[str]",
    "sample": "List[str]",
})
_DeadLetterGroupFurther = TypedDict("_DeadLetterGroupFurther", {
    "stateAt": "Union[str, None]",
    "stateBy": "Union[str, None]",
    "scriptIds": "List[str]",
}, total=False)

class DeadLetterGroup(_DeadLetterGroup, _DeadLetterGroupFurther):
    pass

GroupState = Literal['open', 'acknowledged', 'resolved', 'ignored']

_GroupChange = TypedDict("_GroupChange", {
    "state": "GroupState",
})

class GroupChange(_GroupChange):
    pass


_RedriveFurther = TypedDict("_RedriveFurther", {
    "ids": "List[str]",
    "scriptId": "str",
    "subscriptionId": "str",
    "pattern": "str",
    "errorFingerprint": "str",
    "from": "str",
    "to": "str",
    "ratePerSecond": "float",
    "dryRun": "bool",
    "expect": "int",
}, total=False)

class Redrive(_RedriveFurther):
    pass


_RehearsalFurther = TypedDict("_RehearsalFurther", {
    "scriptId": "str",
    "subscriptionId": "str",
    "pattern": "str",
    "errorFingerprint": "str",
    "from": "str",
    "to": "str",
    "sample": "int",
    "source": "str",
}, total=False)

class Rehearsal(_RehearsalFurther):
    pass


_Rehearsed = TypedDict("_Rehearsed", {
    "sampled": "int",
    "passed": "int",
    "failed": "int",
    "skipped": "int",
    "passRate": "Union[float, None]",
    "items": "List[Dict[str, Any]]",
})
_RehearsedFurther = TypedDict("_RehearsedFurther", {
    "outOfTime": "bool",
}, total=False)

class Rehearsed(_Rehearsed, _RehearsedFurther):
    pass


_NewReplay = TypedDict("_NewReplay", {
    "subscriptionIds": "Union[Literal['all'], List[str]]",
})
_NewReplayFurther = TypedDict("_NewReplayFurther", {
    "id": "str",
    "from": "str",
    "to": "str",
    "pattern": "str",
    "patternPrefix": "str",
    "filter": "str",
    "pace": "Union[str, float]",
    "newIds": "bool",
    "expect": "int",
    "dryRun": "bool",
    "scriptId": "str",
    "scriptVersion": "int",
    "against": "Union[str, int]",
}, total=False)

class NewReplay(_NewReplay, _NewReplayFurther):
    pass


_Replay = TypedDict("_Replay", {
    "id": "str",
    "status": "str",
    "scanned": "int",
    "matched": "int",
    "delivered": "int",
    "failed": "int",
    "dryRun": "bool",
})
_ReplayFurther = TypedDict("_ReplayFurther", {
    "notDue": "int",
    "diff": "Dict[str, Any]",
    "createdAt": "str",
    "updatedAt": "str",
}, total=False)

class Replay(_Replay, _ReplayFurther):
    pass


_NewSchedules = TypedDict("_NewSchedules", {
    "schedules": "List[Schedule]",
})
_NewSchedulesFurther = TypedDict("_NewSchedulesFurther", {
    "dryRun": "bool",
    "expect": "int",
}, total=False)

class NewSchedules(_NewSchedules, _NewSchedulesFurther):
    pass


_MadeSchedules = TypedDict("_MadeSchedules", {
    "success": "Literal[True]",
    "created": "int",
    "count": "int",
    "dryRun": "bool",
    "ids": "List[str]",
    "rejected": "List[Dict[str, Any]]",
})

class MadeSchedules(_MadeSchedules):
    pass


_Schedule = TypedDict("_Schedule", {
    "type": "Literal['cron', 'interval', 'once']",
})
_ScheduleFurther = TypedDict("_ScheduleFurther", {
    "id": "str",
    "name": "str",
    "cron": "str",
    "intervalMs": "int",
    "at": "str",
    "timezone": "str",
    "event": "Dict[str, Any]",
    "executor": "Executor",
    "overlap": "Literal['skip', 'queue1', 'queueAll', 'cancel', 'allow']",
    "catchUp": "Dict[str, Any]",
    "active": "bool",
    "paused": "bool",
    "nextRunAt": "Union[str, None]",
    "lastRunAt": "Union[str, None]",
}, total=False)

class Schedule(_Schedule, _ScheduleFurther):
    pass


_ScheduleRun = TypedDict("_ScheduleRun", {
    "seq": "int",
    "dueAt": "str",
    "status": "Literal['fired', 'skipped']",
    "at": "str",
})
_ScheduleRunFurther = TypedDict("_ScheduleRunFurther", {
    "rule": "Union[str, None]",
    "lateMs": "int",
    "eventId": "Union[str, None]",
}, total=False)

class ScheduleRun(_ScheduleRun, _ScheduleRunFurther):
    pass


_Key = TypedDict("_Key", {
    "id": "str",
    "name": "str",
    "prefix": "str",
    "last4": "str",
    "tenantId": "str",
    "role": "Role",
    "scopes": "List[str]",
})
_KeyFurther = TypedDict("_KeyFurther", {
    "key": "str",
    "expiresAt": "Union[str, None]",
    "lastUsedAt": "Union[str, None]",
}, total=False)

class Key(_Key, _KeyFurther):
    pass

Role = Literal['viewer', 'publisher', 'developer', 'operator', 'admin']

_NewKeyFurther = TypedDict("_NewKeyFurther", {
    "id": "str",
    "name": "str",
    "tenantId": "str",
    "role": "Role",
    "scopes": "List[str]",
    "patterns": "List[str]",
    "ips": "List[str]",
    "expiresAt": "Union[str, None]",
}, total=False)

class NewKey(_NewKeyFurther):
    pass


_Tenant = TypedDict("_Tenant", {
    "id": "str",
})
_TenantFurther = TypedDict("_TenantFurther", {
    "name": "str",
    "status": "Literal['active', 'suspended']",
    "reason": "str",
    "quotas": "Dict[str, Any]",
}, total=False)

class Tenant(_Tenant, _TenantFurther):
    pass


_Me = TypedDict("_Me", {
    "tenantId": "str",
    "mode": "Literal['local', 'key']",
    "role": "str",
    "scopes": "List[str]",
    "actor": "str",
})
_MeFurther = TypedDict("_MeFurther", {
    "keyId": "Union[str, None]",
    "user": "Union[str, None]",
}, total=False)

class Me(_Me, _MeFurther):
    pass


_ExecutorFigures = TypedDict("_ExecutorFigures", {
    "type": "str",
    "enabled": "bool",
    "running": "int",
    "limit": "int",
    "waiting": "int",
    "breaker": "Literal['open', 'closed']",
})
_ExecutorFiguresFurther = TypedDict("_ExecutorFiguresFurther", {
    "breakersOpen": "int",
}, total=False)

class ExecutorFigures(_ExecutorFigures, _ExecutorFiguresFurther):
    pass


_Setting = TypedDict("_Setting", {
    "key": "str",
    "value": "str",
    "from": "str",
})

class Setting(_Setting):
    pass


_LogLine = TypedDict("_LogLine", {
    "time": "str",
    "level": "Literal['debug', 'info', 'warn', 'error']",
    "message": "str",
})
_LogLineFurther = TypedDict("_LogLineFurther", {
    "partition": "OfPartition",
}, total=False)

class LogLine(_LogLine, _LogLineFurther):
    pass


_Stats = TypedDict("_Stats", {
    "ready": "bool",
    "subscriptions": "int",
    "scripts": "int",
})
_StatsFurther = TypedDict("_StatsFurther", {
    "reason": "Union[str, None]",
    "events": "Dict[str, Any]",
    "deliveries": "Dict[str, Any]",
    "store": "Dict[str, Any]",
    "disk": "Dict[str, Any]",
    "memory": "Dict[str, Any]",
    "windowSeconds": "int",
    "stepSeconds": "int",
    "series": "Dict[str, List[float]]",
    "missing": "MissingPartitions",
}, total=False)

class Stats(_Stats, _StatsFurther):
    pass


_AuditRow = TypedDict("_AuditRow", {
    "id": "int",
    "at": "str",
    "action": "str",
    "target": "Dict[str, Any]",
    "outcome": "str",
    "hash": "str",
    "entry": "Dict[str, Any]",
})
_AuditRowFurther = TypedDict("_AuditRowFurther", {
    "tenantId": "str",
    "actor": "Dict[str, Any]",
    "ip": "str",
    "prevHash": "Union[str, None]",
}, total=False)

class AuditRow(_AuditRow, _AuditRowFurther):
    pass


_Session = TypedDict("_Session", {
    "success": "Literal[True]",
    "expiresAt": "str",
})

class Session(_Session):
    pass


_NewPortal = TypedDict("_NewPortal", {
    "tenantId": "str",
    "scopes": "List[str]",
})
_NewPortalFurther = TypedDict("_NewPortalFurther", {
    "ttl": "str",
}, total=False)

class NewPortal(_NewPortal, _NewPortalFurther):
    pass


_Portal = TypedDict("_Portal", {
    "url": "str",
    "openBefore": "str",
    "key": "Key",
})

class Portal(_Portal):
    pass


_SchemaRuleFurther = TypedDict("_SchemaRuleFurther", {
    "assert": "str",
    "in": "Dict[str, Any]",
    "transition": "Dict[str, Any]",
    "scriptId": "str",
    "message": "str",
}, total=False)

class SchemaRule(_SchemaRuleFurther):
    pass


_NewSchema = TypedDict("_NewSchema", {
    "pattern": "str",
    "schema": "Union[Dict[str, Any], bool]",
})
_NewSchemaFurther = TypedDict("_NewSchemaFurther", {
    "id": "str",
    "name": "str",
    "version": "Union[str, float]",
    "schemaVersion": "Union[str, float]",
    "rules": "List[SchemaRule]",
    "mode": "Literal['off', 'warn', 'reject', 'dead-letter']",
    "compatibility": "Literal['backward', 'forward', 'full', 'none']",
}, total=False)

class NewSchema(_NewSchema, _NewSchemaFurther):
    pass


_Schema = TypedDict("_Schema", {
    "id": "str",
    "name": "str",
    "pattern": "str",
    "schema": "Union[Dict[str, Any], bool]",
    "rules": "List[SchemaRule]",
    "mode": "Literal['off', 'warn', 'reject', 'dead-letter']",
    "compatibility": "Literal['backward', 'forward', 'full', 'none']",
    "version": "int",
    "createdAt": "str",
    "updatedAt": "str",
})
_SchemaFurther = TypedDict("_SchemaFurther", {
    "schemaVersion": "Union[str, float]",
    "references": "List[Dict[str, Any]]",
}, total=False)

class Schema(_Schema, _SchemaFurther):
    pass


_Misfit = TypedDict("_Misfit", {
    "pointer": "str",
    "keyword": "str",
    "schemaPath": "str",
    "message": "str",
})

class Misfit(_Misfit):
    pass


_SchemaTryFurther = TypedDict("_SchemaTryFurther", {
    "payload": "Dict[str, Any]",
    "event": "NewEvent",
}, total=False)

class SchemaTry(_SchemaTryFurther):
    pass


_SchemaTried = TypedDict("_SchemaTried", {
    "valid": "bool",
    "errors": "List[Misfit]",
})

class SchemaTried(_SchemaTried):
    pass


_SchemaCheckFurther = TypedDict("_SchemaCheckFurther", {
    "schema": "Union[Dict[str, Any], bool]",
    "rules": "List[SchemaRule]",
    "pattern": "str",
    "from": "str",
    "to": "str",
}, total=False)

class SchemaCheck(_SchemaCheckFurther):
    pass


_SchemaChecked = TypedDict("_SchemaChecked", {
    "scanned": "int",
    "rejected": "int",
    "complete": "bool",
    "byPointer": "List[Dict[str, Any]]",
})

class SchemaChecked(_SchemaChecked):
    pass


_SchemaViolation = TypedDict("_SchemaViolation", {
    "at": "str",
    "outcome": "Literal['warned', 'rejected', 'dead-lettered']",
    "eventId": "Union[str, None]",
    "pattern": "str",
    "errors": "List[Misfit]",
})

class SchemaViolation(_SchemaViolation):
    pass


_NewWebhookSource = TypedDict("_NewWebhookSource", {
    "scheme": "Literal['github', 'stripe', 'standard-webhooks', 'slack', 'shopify', 'hmac', 'none']",
})
_NewWebhookSourceFurther = TypedDict("_NewWebhookSourceFurther", {
    "id": "str",
    "name": "str",
    "secrets": "List[str]",
    "tolerance": "str",
    "pattern": "str",
    "hmac": "Dict[str, Any]",
    "idFrom": "str",
    "kindFrom": "str",
    "transformScriptId": "str",
    "active": "bool",
}, total=False)

class NewWebhookSource(_NewWebhookSource, _NewWebhookSourceFurther):
    pass


_WebhookSource = TypedDict("_WebhookSource", {
    "id": "str",
    "name": "str",
    "scheme": "Literal['github', 'stripe', 'standard-webhooks', 'slack', 'shopify', 'hmac', 'none']",
    "secrets": "List[str]",
    "tolerance": "str",
    "active": "bool",
    "expiring": "List[Dict[str, Any]]",
    "url": "str",
    "version": "int",
    "createdAt": "str",
    "updatedAt": "str",
})
_WebhookSourceFurther = TypedDict("_WebhookSourceFurther", {
    "pattern": "str",
    "hmac": "Dict[str, Any]",
    "idFrom": "str",
    "kindFrom": "str",
    "transformScriptId": "str",
    "secret": "str",
}, total=False)

class WebhookSource(_WebhookSource, _WebhookSourceFurther):
    pass


_SourceRotationFurther = TypedDict("_SourceRotationFurther", {
    "secret": "str",
    "overlap": "str",
}, total=False)

class SourceRotation(_SourceRotationFurther):
    pass


_SourceTrialFurther = TypedDict("_SourceTrialFurther", {
    "headers": "Dict[str, str]",
    "contentType": "str",
    "body": "Any",
    "sign": "bool",
}, total=False)

class SourceTrial(_SourceTrialFurther):
    pass


_SourceTried = TypedDict("_SourceTried", {
    "verified": "bool",
    "reason": "Union[str, None]",
    "event": "Union[Dict[str, Any], None]",
})
_SourceTriedFurther = TypedDict("_SourceTriedFurther", {
    "transformed": "Any",
}, total=False)

class SourceTried(_SourceTried, _SourceTriedFurther):
    pass


_SourceDelivery = TypedDict("_SourceDelivery", {
    "at": "str",
    "outcome": "str",
    "status": "int",
    "reason": "Union[str, None]",
    "deliveryId": "Union[str, None]",
    "kind": "Union[str, None]",
    "eventId": "Union[str, None]",
    "bytes": "int",
})

class SourceDelivery(_SourceDelivery):
    pass

Webhook = Any

_NewEndpoint = TypedDict("_NewEndpoint", {
    "route": "str",
    "scriptId": "str",
})
_NewEndpointFurther = TypedDict("_NewEndpointFurther", {
    "id": "str",
    "name": "str",
    "code": "str",
    "method": "Literal['GET', 'POST', 'PUT', 'PATCH', 'DELETE']",
    "auth": "Literal['required', 'optional', 'none']",
    "rate": "float",
    "timeoutMs": "int",
    "cors": "Union[bool, Dict[str, Any]]",
}, total=False)

class NewEndpoint(_NewEndpoint, _NewEndpointFurther):
    pass


_Endpoint = TypedDict("_Endpoint", {
    "id": "str",
    "name": "str",
    "code": "str",
    "method": "Literal['GET', 'POST', 'PUT', 'PATCH', 'DELETE']",
    "route": "str",
    "scriptId": "str",
    "auth": "Literal['required', 'optional', 'none']",
    "version": "int",
    "createdAt": "str",
    "updatedAt": "str",
})
_EndpointFurther = TypedDict("_EndpointFurther", {
    "rate": "float",
    "timeoutMs": "int",
    "cors": "Union[bool, Dict[str, Any]]",
}, total=False)

class Endpoint(_Endpoint, _EndpointFurther):
    pass

EndpointAnswer = Any

_NewEntityFurther = TypedDict("_NewEntityFurther", {
    "id": "str",
    "version": "int",
}, total=False)

class NewEntity(_NewEntityFurther):
    pass


_Entity = TypedDict("_Entity", {
    "id": "str",
    "version": "int",
    "createdAt": "str",
    "updatedAt": "str",
})
_EntityFurther = TypedDict("_EntityFurther", {
    "hooks": "List[HookReport]",
}, total=False)

class Entity(_Entity, _EntityFurther):
    pass


_HookReport = TypedDict("_HookReport", {
    "hookId": "str",
    "status": "Literal['completed', 'retrying', 'failed', 'dead', 'waiting']",
})
_HookReportFurther = TypedDict("_HookReportFurther", {
    "executionId": "str",
    "error": "Union[str, None]",
}, total=False)

class HookReport(_HookReport, _HookReportFurther):
    pass


_NewHook = TypedDict("_NewHook", {
    "entity": "str",
    "on": "Literal['beforeCreate', 'afterCreate', 'beforeUpdate', 'afterUpdate', 'beforeDelete', 'afterDelete']",
    "scriptId": "str",
})
_NewHookFurther = TypedDict("_NewHookFurther", {
    "id": "str",
    "name": "str",
    "order": "int",
    "active": "bool",
}, total=False)

class NewHook(_NewHook, _NewHookFurther):
    pass


_Hook = TypedDict("_Hook", {
    "id": "str",
    "name": "str",
    "entity": "str",
    "on": "Literal['beforeCreate', 'afterCreate', 'beforeUpdate', 'afterUpdate', 'beforeDelete', 'afterDelete']",
    "scriptId": "str",
    "order": "int",
    "active": "bool",
    "version": "int",
    "createdAt": "str",
    "updatedAt": "str",
})

class Hook(_Hook):
    pass


_HookRun = TypedDict("_HookRun", {
    "entity": "str",
    "on": "Literal['beforeCreate', 'afterCreate', 'beforeUpdate', 'afterUpdate', 'beforeDelete', 'afterDelete']",
    "doc": "Dict[str, Any]",
})
_HookRunFurther = TypedDict("_HookRunFurther", {
    "id": "str",
    "beforeUpdateDoc": "Dict[str, Any]",
}, total=False)

class HookRun(_HookRun, _HookRunFurther):
    pass


_HooksRun = TypedDict("_HooksRun", {
    "success": "Literal[True]",
})
_HooksRunFurther = TypedDict("_HooksRunFurther", {
    "doc": "Dict[str, Any]",
    "payload": "Dict[str, Any]",
    "hooks": "List[Any]",
    "executionId": "str",
    "logs": "List[Any]",
    "eventId": "str",
}, total=False)

class HooksRun(_HooksRun, _HooksRunFurther):
    pass


_NewAction = TypedDict("_NewAction", {
    "name": "str",
    "executor": "Dict[str, Any]",
})
_NewActionFurther = TypedDict("_NewActionFurther", {
    "id": "str",
}, total=False)

class NewAction(_NewAction, _NewActionFurther):
    pass


_Action = TypedDict("_Action", {
    "id": "str",
    "name": "str",
    "executor": "Dict[str, Any]",
    "version": "int",
    "createdAt": "str",
    "updatedAt": "str",
})

class Action(_Action):
    pass


_ActionCallFurther = TypedDict("_ActionCallFurther", {
    "input": "Any",
}, total=False)

class ActionCall(_ActionCallFurther):
    pass


_ActionAnswer = TypedDict("_ActionAnswer", {
    "success": "bool",
    "result": "Any",
})
_ActionAnswerFurther = TypedDict("_ActionAnswerFurther", {
    "status": "int",
    "error": "Dict[str, Any]",
}, total=False)

class ActionAnswer(_ActionAnswer, _ActionAnswerFurther):
    pass


_NewEdge = TypedDict("_NewEdge", {
    "node": "str",
})
_NewEdgeFurther = TypedDict("_NewEdgeFurther", {
    "id": "str",
    "name": "str",
}, total=False)

class NewEdge(_NewEdge, _NewEdgeFurther):
    pass


_EnrolledEdge = TypedDict("_EnrolledEdge", {
    "token": "str",
    "id": "str",
    "node": "str",
    "name": "str",
    "tokenPrefix": "str",
    "version": "int",
    "createdAt": "str",
    "updatedAt": "str",
})

class EnrolledEdge(_EnrolledEdge):
    pass


_Edge = TypedDict("_Edge", {
    "id": "str",
    "node": "str",
    "name": "str",
    "tokenPrefix": "str",
    "version": "int",
    "createdAt": "str",
    "updatedAt": "str",
    "status": "Dict[str, Any]",
})

class Edge(_Edge):
    pass


_EdgePatchFurther = TypedDict("_EdgePatchFurther", {
    "name": "str",
}, total=False)

class EdgePatch(_EdgePatchFurther):
    pass


_EdgeBackfills = TypedDict("_EdgeBackfills", {
    "backfills": "List[Dict[str, Any]]",
})

class EdgeBackfills(_EdgeBackfills):
    pass

EdgeBatch = str

_BatchTaken = TypedDict("_BatchTaken", {
    "to": "int",
    "hash": "str",
    "events": "int",
    "window": "int",
    "filterVersion": "str",
})

class BatchTaken(_BatchTaken):
    pass


_EdgeFilters = TypedDict("_EdgeFilters", {
    "version": "str",
    "all": "bool",
    "patterns": "List[str]",
    "filters": "List[Dict[str, Any]]",
})
_EdgeFiltersFurther = TypedDict("_EdgeFiltersFurther", {
    "traces": "bool",
}, total=False)

class EdgeFilters(_EdgeFilters, _EdgeFiltersFurther):
    pass


_GraphqlRequest = TypedDict("_GraphqlRequest", {
    "query": "str",
})
_GraphqlRequestFurther = TypedDict("_GraphqlRequestFurther", {
    "operationName": "Union[str, None]",
    "variables": "Union[Dict[str, Any], None]",
    "extensions": "Union[Dict[str, Any], None]",
}, total=False)

class GraphqlRequest(_GraphqlRequest, _GraphqlRequestFurther):
    pass


_GraphqlResultFurther = TypedDict("_GraphqlResultFurther", {
    "data": "Union[Dict[str, Any], None]",
    "errors": "List[Dict[str, Any]]",
    "extensions": "Dict[str, Any]",
}, total=False)

class GraphqlResult(_GraphqlResultFurther):
    pass


_NewLink = TypedDict("_NewLink", {
    "direction": "Literal['in', 'out']",
    "type": "Literal['file', 'redis', 'postgres-notify', 'nats', 'mqtt', 'kafka', 'amqp']",
    "config": "Dict[str, Any]",
})
_NewLinkFurther = TypedDict("_NewLinkFurther", {
    "id": "str",
    "name": "str",
    "mode": "Literal['executor', 'stream']",
    "transformScriptId": "str",
    "transform": "str",
}, total=False)

class NewLink(_NewLink, _NewLinkFurther):
    pass


_Link = TypedDict("_Link", {
    "id": "str",
    "name": "str",
    "direction": "Literal['in', 'out']",
    "type": "Literal['file', 'redis', 'postgres-notify', 'nats', 'mqtt', 'kafka', 'amqp']",
    "config": "Dict[str, Any]",
    "paused": "bool",
    "version": "int",
    "createdAt": "str",
    "updatedAt": "str",
    "status": "Dict[str, Any]",
})
_LinkFurther = TypedDict("_LinkFurther", {
    "mode": "Literal['executor', 'stream']",
    "transformScriptId": "str",
}, total=False)

class Link(_Link, _LinkFurther):
    pass


_LinkReset = TypedDict("_LinkReset", {
    "to": "str",
})

class LinkReset(_LinkReset):
    pass


_LinkTested = TypedDict("_LinkTested", {
    "success": "bool",
    "linkId": "str",
    "error": "Union[str, None]",
    "durationUs": "int",
})

class LinkTested(_LinkTested):
    pass


_NewWorkflow = TypedDict("_NewWorkflow", {
    "steps": "List[Dict[str, Any]]",
})
_NewWorkflowFurther = TypedDict("_NewWorkflowFurther", {
    "id": "str",
    "name": "str",
    "actions": "Dict[str, Any]",
    "error_handling": "Dict[str, Any]",
    "version": "int",
}, total=False)

class NewWorkflow(_NewWorkflow, _NewWorkflowFurther):
    pass


_Workflow = TypedDict("_Workflow", {
    "id": "str",
    "name": "str",
    "warnings": "List[str]",
    "version": "int",
    "createdAt": "str",
    "updatedAt": "str",
})
_WorkflowFurther = TypedDict("_WorkflowFurther", {
    "steps": "List[Dict[str, Any]]",
    "actions": "Dict[str, Any]",
    "error_handling": "Dict[str, Any]",
    "dryRun": "bool",
}, total=False)

class Workflow(_Workflow, _WorkflowFurther):
    pass


_WorkflowExecuteFurther = TypedDict("_WorkflowExecuteFurther", {
    "input": "Dict[str, Any]",
    "version": "int",
    "runId": "str",
    "correlationId": "str",
}, total=False)

class WorkflowExecute(_WorkflowExecuteFurther):
    pass


_WorkflowRunHead = TypedDict("_WorkflowRunHead", {
    "runId": "str",
    "workflowId": "str",
    "version": "int",
    "status": "Literal['pending', 'running', 'waiting', 'paused', 'completed', 'failed', 'cancelled', 'compensating', 'compensated', 'compensation_failed']",
    "startedAt": "str",
    "updatedAt": "str",
    "endedAt": "Union[str, None]",
    "eventId": "Union[str, None]",
    "correlationId": "Union[str, None]",
    "subscriptionId": "Union[str, None]",
    "parentRunId": "Union[str, None]",
    "code": "Union[str, None]",
})

class WorkflowRunHead(_WorkflowRunHead):
    pass


_WorkflowStep = TypedDict("_WorkflowStep", {
    "id": "str",
    "name": "str",
    "type": "str",
    "status": "Literal['pending', 'running', 'retrying', 'waiting', 'completed', 'failed', 'skipped', 'cancelled', 'compensated']",
    "attempt": "int",
    "iteration": "int",
    "input": "Any",
    "output": "Any",
})
_WorkflowStepFurther = TypedDict("_WorkflowStepFurther", {
    "startedAt": "Union[str, None]",
    "endedAt": "Union[str, None]",
    "nextAt": "str",
    "error": "Dict[str, Any]",
}, total=False)

class WorkflowStep(_WorkflowStep, _WorkflowStepFurther):
    pass


_WorkflowRun = TypedDict("_WorkflowRun", {
    "runId": "str",
    "workflowId": "str",
    "version": "int",
    "status": "Literal['pending', 'running', 'waiting', 'paused', 'completed', 'failed', 'cancelled', 'compensating', 'compensated', 'compensation_failed']",
    "startedAt": "str",
    "updatedAt": "str",
    "endedAt": "Union[str, None]",
    "eventId": "Union[str, None]",
    "correlationId": "Union[str, None]",
    "subscriptionId": "Union[str, None]",
    "parentRunId": "Union[str, None]",
    "code": "Union[str, None]",
})
_WorkflowRunFurther = TypedDict("_WorkflowRunFurther", {
    "pauseReason": "Union[str, None]",
    "nextAt": "Union[str, None]",
    "input": "Any",
    "output": "Any",
    "error": "Dict[str, Any]",
    "steps": "List[WorkflowStep]",
    "entries": "int",
    "bytes": "int",
    "limits": "Dict[str, Any]",
}, total=False)

class WorkflowRun(_WorkflowRun, _WorkflowRunFurther):
    pass

WorkflowBegun = Union[Dict[str, Any], "WorkflowRun"]

_WorkflowRunEntry = TypedDict("_WorkflowRunEntry", {
    "index": "int",
    "kind": "str",
    "at": "str",
    "events": "List[Dict[str, Any]]",
})
_WorkflowRunEntryFurther = TypedDict("_WorkflowRunEntryFurther", {
    "stepId": "str",
    "iteration": "int",
    "attempt": "int",
    "name": "str",
    "value": "Any",
    "error": "Dict[str, Any]",
}, total=False)

class WorkflowRunEntry(_WorkflowRunEntry, _WorkflowRunEntryFurther):
    pass


_WorkflowRunReasonFurther = TypedDict("_WorkflowRunReasonFurther", {
    "reason": "str",
}, total=False)

class WorkflowRunReason(_WorkflowRunReasonFurther):
    pass


_WorkflowRunResumeFurther = TypedDict("_WorkflowRunResumeFurther", {
    "version": "int",
    "fromStep": "str",
}, total=False)

class WorkflowRunResume(_WorkflowRunResumeFurther):
    pass


_WorkflowRunSignal = TypedDict("_WorkflowRunSignal", {
    "name": "str",
})
_WorkflowRunSignalFurther = TypedDict("_WorkflowRunSignalFurther", {
    "payload": "Dict[str, Any]",
}, total=False)

class WorkflowRunSignal(_WorkflowRunSignal, _WorkflowRunSignalFurther):
    pass


_WorkflowRunRehearsal = TypedDict("_WorkflowRunRehearsal", {
    "version": "int",
})

class WorkflowRunRehearsal(_WorkflowRunRehearsal):
    pass


_WorkflowRunRehearsed = TypedDict("_WorkflowRunRehearsed", {
    "fits": "bool",
    "version": "int",
    "entries": "int",
})
_WorkflowRunRehearsedFurther = TypedDict("_WorkflowRunRehearsedFurther", {
    "status": "Literal['pending', 'running', 'waiting', 'paused', 'completed', 'failed', 'cancelled', 'compensating', 'compensated', 'compensation_failed']",
    "index": "int",
    "message": "str",
}, total=False)

class WorkflowRunRehearsed(_WorkflowRunRehearsed, _WorkflowRunRehearsedFurther):
    pass


_WorkflowKey = TypedDict("_WorkflowKey", {
    "version": "int",
    "current": "bool",
    "createdAt": "str",
})

class WorkflowKey(_WorkflowKey):
    pass


_WorkflowKeyRotated = TypedDict("_WorkflowKeyRotated", {
    "version": "int",
})
_WorkflowKeyRotatedFurther = TypedDict("_WorkflowKeyRotatedFurther", {
    "dryRun": "bool",
}, total=False)

class WorkflowKeyRotated(_WorkflowKeyRotated, _WorkflowKeyRotatedFurther):
    pass


_Cluster = TypedDict("_Cluster", {
    "name": "str",
    "node": "str",
    "initialized": "bool",
    "revision": "int",
    "metaGone": "bool",
    "partitionBy": "str",
    "replicas": "int",
    "ack": "str",
    "nats": "Dict[str, Any]",
    "nodes": "List[ClusterNode]",
    "partitions": "List[ClusterPartition]",
})

class Cluster(_Cluster):
    pass


_ClusterNode = TypedDict("_ClusterNode", {
    "node": "str",
    "url": "str",
    "live": "bool",
    "draining": "bool",
})
_ClusterNodeFurther = TypedDict("_ClusterNodeFurther", {
    "heardMsAgo": "int",
}, total=False)

class ClusterNode(_ClusterNode, _ClusterNodeFurther):
    pass


_ClusterPartition = TypedDict("_ClusterPartition", {
    "partition": "int",
    "owner": "Union[str, None]",
    "epoch": "int",
    "copies": "List[ClusterCopy]",
})
_ClusterPartitionFurther = TypedDict("_ClusterPartitionFurther", {
    "movingTo": "str",
}, total=False)

class ClusterPartition(_ClusterPartition, _ClusterPartitionFurther):
    pass


_ClusterCopy = TypedDict("_ClusterCopy", {
    "node": "str",
    "role": "Literal['owner', 'standby', 'catching-up', 'fenced', 'diverged', 'down']",
})
_ClusterCopyFurther = TypedDict("_ClusterCopyFurther", {
    "epoch": "int",
    "appended": "int",
    "applied": "int",
    "fsynced": "int",
    "lag": "int",
    "unit": "int",
    "hash": "str",
    "inSync": "bool",
    "needsSnapshot": "bool",
    "error": "str",
}, total=False)

class ClusterCopy(_ClusterCopy, _ClusterCopyFurther):
    pass


_NewClusterFurther = TypedDict("_NewClusterFurther", {
    "nodes": "List[str]",
    "restore": "bool",
}, total=False)

class NewCluster(_NewClusterFurther):
    pass


_PartitionMove = TypedDict("_PartitionMove", {
    "to": "str",
})

class PartitionMove(_PartitionMove):
    pass


_PartitionHeal = TypedDict("_PartitionHeal", {
    "from": "str",
})

class PartitionHeal(_PartitionHeal):
    pass

OfPartition = int
MissingPartitions = List[int]

_ClusterOrder = TypedDict("_ClusterOrder", {
    "id": "str",
})

class ClusterOrder(_ClusterOrder):
    pass


__all__ = [
    "Error",
    "ErrorBody",
    "Success",
    "MergePatch",
    "Source",
    "Metadata",
    "NewEvent",
    "NewEvents",
    "Event",
    "EventCount",
    "Taken",
    "Trace",
    "NewScript",
    "Script",
    "NewCanary",
    "CanaryRules",
    "CanaryArm",
    "Canary",
    "ScriptRun",
    "ScriptAnswer",
    "Pattern",
    "Executor",
    "Retry",
    "NewSubscription",
    "Subscription",
    "Matched",
    "Preview",
    "Execution",
    "RetryRow",
    "DeadLetter",
    "DeadLetterGroup",
    "GroupState",
    "GroupChange",
    "Redrive",
    "Rehearsal",
    "Rehearsed",
    "NewReplay",
    "Replay",
    "NewSchedules",
    "MadeSchedules",
    "Schedule",
    "ScheduleRun",
    "Key",
    "Role",
    "NewKey",
    "Tenant",
    "Me",
    "ExecutorFigures",
    "Setting",
    "LogLine",
    "Stats",
    "AuditRow",
    "Session",
    "NewPortal",
    "Portal",
    "SchemaRule",
    "NewSchema",
    "Schema",
    "Misfit",
    "SchemaTry",
    "SchemaTried",
    "SchemaCheck",
    "SchemaChecked",
    "SchemaViolation",
    "NewWebhookSource",
    "WebhookSource",
    "SourceRotation",
    "SourceTrial",
    "SourceTried",
    "SourceDelivery",
    "Webhook",
    "NewEndpoint",
    "Endpoint",
    "EndpointAnswer",
    "NewEntity",
    "Entity",
    "HookReport",
    "NewHook",
    "Hook",
    "HookRun",
    "HooksRun",
    "NewAction",
    "Action",
    "ActionCall",
    "ActionAnswer",
    "NewEdge",
    "EnrolledEdge",
    "Edge",
    "EdgePatch",
    "EdgeBackfills",
    "EdgeBatch",
    "BatchTaken",
    "EdgeFilters",
    "GraphqlRequest",
    "GraphqlResult",
    "NewLink",
    "Link",
    "LinkReset",
    "LinkTested",
    "NewWorkflow",
    "Workflow",
    "WorkflowExecute",
    "WorkflowRunHead",
    "WorkflowStep",
    "WorkflowRun",
    "WorkflowBegun",
    "WorkflowRunEntry",
    "WorkflowRunReason",
    "WorkflowRunResume",
    "WorkflowRunSignal",
    "WorkflowRunRehearsal",
    "WorkflowRunRehearsed",
    "WorkflowKey",
    "WorkflowKeyRotated",
    "Cluster",
    "ClusterNode",
    "ClusterPartition",
    "ClusterCopy",
    "NewCluster",
    "PartitionMove",
    "PartitionHeal",
    "OfPartition",
    "MissingPartitions",
    "ClusterOrder",
]
