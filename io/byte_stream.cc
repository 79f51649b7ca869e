#include "io/byte_stream.h"

namespace millrace::io {

bool ByteStream::open(int socket, std::unique_ptr<StreamTransform> transform) {
    if (!transform) return reactor_.open(socket, user_, id_);
    auto transformed = std::make_unique<TransformedStream>(reactor_, user_, std::move(transform));
    if (!reactor_.open(socket, *transformed, id_)) return false;
    transformed->opened(id_);
    transformed_ = std::move(transformed);
    return true;
}

}  // namespace millrace::io
