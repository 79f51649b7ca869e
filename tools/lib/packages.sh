# What: Debian 12 packages by purpose. tools/cmake/MillraceDependencies.cmake says what each library is for.
# A word PACKAGE=COMMAND counts as present when the command is, whoever installed it.
# Needs common.sh.

# To configure, compile and run the server.
packages_run() {
    echo build-essential=g++ dpkg-dev=dpkg-source cmake=cmake ninja-build=ninja pkg-config=pkg-config
    echo ca-certificates tzdata
    echo libgtest-dev libbenchmark-dev libssl-dev libcurl4-openssl-dev libpq-dev zlib1g-dev
    echo libsimdjson-dev liburing-dev librocksdb-dev liblz4-dev libxxhash-dev libzstd-dev
    echo libtomlplusplus-dev libcli11-dev libhiredis-dev librdkafka-dev librabbitmq-dev libnghttp2-dev
    echo libconcurrentqueue-dev libexpected-dev node-llhttp libhowardhinnant-date-dev
    if is_arm; then
        echo libvectorscan-dev
    else
        echo libhyperscan-dev
    fi
}

# Black-box tests and the checks of CI.
packages_test() {
    packages_run
    echo git=git python3=python3 curl=curl clang-format-14=clang-format-14
    echo lld=ld.lld  # a hundred programs to link
    echo nodejs=node npm=npm  # the demo is a test too
    echo postgresql-15=/usr/lib/postgresql/15/bin/postgres  # what sdk.db is tried against
    packages_links
    echo json-schema-test-suite  # draft 7, as its authors understand it
    echo zsh=zsh fish=fish  # what completes their lines
    echo protobuf-compiler=protoc python3-grpcio python3-protobuf  # who judges our gRPC
}

# The peers that links are tried against.
packages_links() {
    echo redis-server=redis-server redis-tools=redis-cli nats-server=/usr/sbin/nats-server
    echo rabbitmq-server=/usr/lib/rabbitmq/bin/rabbitmq-server mosquitto=/usr/sbin/mosquitto
}

# The demo takes its input from a package of the npm registry.
packages_demo() {
    packages_run
    echo curl=curl python3=python3 nodejs=node npm=npm
}

# So does the one with several nodes, which stand beside three servers of NATS.
packages_cluster() {
    packages_demo
    echo nats-server=/usr/sbin/nats-server
}

# The peers that bench/ compares with, and its load generator.
packages_bench() {
    packages_run
    echo python3=python3 redis-server=redis-server redis-tools=redis-cli nginx-light=nginx wrk=wrk
    echo nats-server=/usr/sbin/nats-server
    echo nghttp2-client=h2load
}

# clang-tidy, and the headers it reads with.
packages_lint() {
    packages_test
    echo clang-tidy-14=clang-tidy-14 libclang-common-14-dev
}

# To make a package of what is built, and to try it (tests/package).
packages_package() {
    echo dpkg-dev=dpkg-buildpackage debhelper=dh lintian=lintian debootstrap=debootstrap
    echo binutils=strip file=file man-db=man python3=python3 ca-certificates tzdata
}

# To build for arm64 on another machine, and to run what was built.
packages_arm64() {
    packages_run
    echo g++-aarch64-linux-gnu=aarch64-linux-gnu-g++ qemu-user=qemu-aarch64
}

# What an analysis needs beyond that: clang with its run-time library for libFuzzer.
packages_analysis() {
    packages_lint
    echo clang-14=clang-14 libclang-rt-14-dev
}
