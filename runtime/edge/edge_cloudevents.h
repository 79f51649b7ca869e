// What: the CloudEvents modes of POST /v2/events: conversion to envelopes, then the common way in.
// Threads: a shard's. Lifetime: the converted text becomes the request's body.
// Limits: those of the body and of envelopes. Failure: as for envelopes; entries keep their index.
#pragma once

#include "core/buffer.h"
#include "core/result.h"
#include "io/http_types.h"
#include "runtime/edge/ingestor.h"
#include "runtime/shard/ingest_request.h"
#include "store/log/pool_set.h"

namespace millrace::runtime {

bool is_cloud_event(const io::Request& http);

// request.body holds what came; it is replaced by the envelopes' text.
core::Status read_cloud_events(const io::Request& http, IngestRequest& request, Ingestor& ingestor,
                               store::PoolSet& pools);

}  // namespace millrace::runtime
