// A transform whose wire a test can take without a reactor: the clients' side.
#pragma once

#include "io/stream_transform.h"

#include <string>

namespace millrace::io {

class WireTransform : public StreamTransform {
public:
    virtual std::string take_wire() = 0;
};

}  // namespace millrace::io
