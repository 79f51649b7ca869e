#!/bin/bash
# What is measured: the edge alone against nginx's `return 202`, one core for the server, wrk with 64
# connections on the other, alternating in one run; then bodies of 345 kB. Medians and the ratio.
# Usage: bench/io_edge.sh [BUILD_DIR] [ROUNDS] [SECONDS]
set -euo pipefail
build=${1:-build/release}
rounds=${2:-5}
seconds=${3:-3}
server="$build/bench/io_edge_server"
folder=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$folder"' EXIT

cat >"$folder/nginx.conf" <<CONF
daemon off; worker_processes 1; pid $folder/nginx.pid; error_log $folder/error.log;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 100000000; client_body_temp_path $folder/body;
  proxy_temp_path $folder/p; fastcgi_temp_path $folder/f; uwsgi_temp_path $folder/u; scgi_temp_path $folder/s;
  server { listen 127.0.0.1:18202; location / { default_type application/json; return 202 '{"success":true}'; } } }
CONF
taskset -c 0 nginx -c "$folder/nginx.conf" -p "$folder" -e "$folder/error.log" &
pids+=($!)

start_server() {  # backend
    taskset -c 0 "$server" 127.0.0.1:0 "$1" >"$folder/$1.log" &
    pids+=($!)
    until [ -s "$folder/$1.log" ]; do sleep 0.05; done
    head -n 1 "$folder/$1.log" | cut -d' ' -f1
}
start_server io_uring >"$folder/a"; uring=$(cat "$folder/a")
start_server epoll >"$folder/b"; epoll=$(cat "$folder/b")

cat >"$folder/small.lua" <<'LUA'
wrk.method = "POST"; wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"pattern":"invoice.created","payload":{"amount":12500,"currency":"EUR"}}' .. string.rep(" ", 270)
LUA
cat >"$folder/large.lua" <<'LUA'
wrk.method = "POST"; wrk.headers["Content-Type"] = "application/x-ndjson"
wrk.body = string.rep('{"pattern":"invoice.created","payload":{"amount":12500}}' .. string.rep(" ", 288) .. "\n", 1000)
LUA

measure() {  # address, connections, script ('' for GET)
    taskset -c 1 wrk -t1 -c"$2" -d"$seconds" ${3:+-s "$3"} "http://$1/" | awk '/Requests\/sec/{print $2}'
}
median() { sort -n | awk '{v[NR]=$1} END{print v[int((NR+1)/2)]}'; }

compare() {  # label, connections, script
    : >"$folder/nginx.rates"; : >"$folder/uring.rates"; : >"$folder/epoll.rates"
    for _ in $(seq "$rounds"); do
        measure 127.0.0.1:18202 "$2" "$3" >>"$folder/nginx.rates"
        measure "$uring" "$2" "$3" >>"$folder/uring.rates"
        measure "$epoll" "$2" "$3" >>"$folder/epoll.rates"
    done
    n=$(median <"$folder/nginx.rates"); u=$(median <"$folder/uring.rates"); e=$(median <"$folder/epoll.rates")
    echo "$1: nginx $n/s, io_uring $u/s ($(awk "BEGIN{printf \"%.2f\", $u/$n}")x), epoll $e/s ($(awk "BEGIN{printf \"%.2f\", $e/$n}")x)"
}
compare "GET, 64 connections" 64 ""
compare "POST of 345 bytes, 64 connections" 64 "$folder/small.lua"
large_u=$(for _ in $(seq "$rounds"); do measure "$uring" 8 "$folder/large.lua"; done | median)
large_e=$(for _ in $(seq "$rounds"); do measure "$epoll" 8 "$folder/large.lua"; done | median)
echo "POST of 345 kB, 8 connections: io_uring $(awk "BEGIN{printf \"%.2f\", $large_u*345000/1e9}") GB/s, epoll $(awk "BEGIN{printf \"%.2f\", $large_e*345000/1e9}") GB/s"
