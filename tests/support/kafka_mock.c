/* A Kafka cluster in memory, on ports of its own on loopback: librdkafka's mock brokers, with a producer and a
 * reader beside them. There is no broker of Kafka in Debian. The mock knows produce, fetch, metadata, offsets and
 * idempotence; it keeps 5 MiB of a partition, knows no transactions to read past and nothing of a disk, so that
 * what is killed here is connections, not a broker's memory.
 *
 * Commands, a line each, on stdin; each is answered by lines, the last of which is "ok" or "failed WHY":
 *   topic NAME PARTITIONS
 *   put TOPIC PARTITION COUNT    COUNT lines follow: KEY TAB TRACEPARENT TAB TEXT (empty: none)
 *   read TOPIC                   says "PARTITION OFFSET BYTES" and, in so many bytes, "KEY TAB HEADERS TAB TEXT"
 *   follow TOPIC                 from now on a thread reads it, and looks for numbers "n": below 16,000,000
 *   followed                     says "MESSAGES NUMBERS", of which each number counts once
 *   bounds TOPIC                 says "PARTITION FIRST END"
 *   errors API CODE COUNT        the next COUNT requests of that API fail so
 *   leader TOPIC PARTITION BROKER
 *   down | up                    all brokers: connections end, and nobody comes in
 *   delay MS
 */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BROKERS 2
#define WAIT_MS 10000

static rd_kafka_t *producer, *reader;
static rd_kafka_mock_cluster_t *cluster;
static long failed_messages;

static void die(const char *what, const char *why) {
    fprintf(stderr, "kafka_mock: %s: %s\n", what, why);
    exit(1);
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char why[256];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) != RD_KAFKA_CONF_OK) die(name, why);
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque) {
    (void)client;
    (void)opaque;
    if (message->err) ++failed_messages;
}

static rd_kafka_t *make(rd_kafka_type_t type, rd_kafka_conf_t *conf) {
    char why[256];
    rd_kafka_t *made = rd_kafka_new(type, conf, why, sizeof why);
    if (!made) die("rd_kafka_new", why);
    return made;
}

static rd_kafka_conf_t *quiet_conf(void) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, NULL);
    /* They come back at once when the brokers do. */
    set(conf, "reconnect.backoff.max.ms", "100");
    set(conf, "retry.backoff.ms", "50");
    return conf;
}

static void begin(void) {
    rd_kafka_conf_t *conf = quiet_conf();
    const char *bootstraps;
    /* The clients beside the cluster hang on it by the library's own hook: a producer whose brokers are these. */
    set(conf, "test.mock.num.brokers", "2");
    set(conf, "linger.ms", "1");
    set(conf, "message.max.bytes", "4000000");
    set(conf, "queue.buffering.max.messages", "1000000");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    producer = make(RD_KAFKA_PRODUCER, conf);
    cluster = rd_kafka_handle_mock_cluster(producer);
    if (!cluster) die("cluster", "there is none");
    bootstraps = rd_kafka_mock_cluster_bootstraps(cluster);
    conf = quiet_conf();
    set(conf, "bootstrap.servers", bootstraps);
    set(conf, "enable.partition.eof", "true");
    set(conf, "fetch.wait.max.ms", "20");
    reader = make(RD_KAFKA_CONSUMER, conf);
    printf("%s\n", bootstraps);
    fflush(stdout);
}

static void answer(const char *why) {
    if (why)
        printf("failed %s\n", why);
    else
        printf("ok\n");
    fflush(stdout);
}
static void answer_code(rd_kafka_resp_err_t code) { answer(code ? rd_kafka_err2str(code) : NULL); }

static void put(const char *topic, int partition, long count) {
    char *line = NULL;
    size_t room = 0;
    failed_messages = 0;
    for (long i = 0; i < count; ++i) {
        ssize_t bytes = getline(&line, &room, stdin);
        char *tab, *trace, *text;
        rd_kafka_headers_t *headers = NULL;
        rd_kafka_resp_err_t code;
        if (bytes <= 0) die("put", "stdin ended");
        if (line[bytes - 1] == '\n') --bytes;
        tab = memchr(line, '\t', (size_t)bytes);
        trace = tab ? tab + 1 : NULL;
        text = trace ? memchr(trace, '\t', (size_t)(line + bytes - trace)) : NULL;
        if (!text) die("put", "a line has less than two tabs");
        ++text;
        if (text - trace > 1) {
            headers = rd_kafka_headers_new(1);
            rd_kafka_header_add(headers, "traceparent", -1, trace, text - trace - 1);
        }
        do {
            code = rd_kafka_producev(
                producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
                RD_KAFKA_V_KEY(tab == line ? NULL : line, (size_t)(tab - line)),
                RD_KAFKA_V_VALUE(text, (size_t)(line + bytes - text)), RD_KAFKA_V_HEADERS(headers),
                RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
            if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) rd_kafka_poll(producer, 10);
        } while (code == RD_KAFKA_RESP_ERR__QUEUE_FULL);
        if (code) ++failed_messages;
        if (code && headers) rd_kafka_headers_destroy(headers);
    }
    free(line);
    if (rd_kafka_flush(producer, WAIT_MS) || failed_messages)
        answer("not all were taken");
    else
        answer(NULL);
}

static void print_message(const rd_kafka_message_t *message) {
    char text[4096];
    size_t at = 0;
    rd_kafka_headers_t *headers = NULL;
    const char *name;
    const void *value;
    size_t bytes;
    text[0] = 0;
    if (!rd_kafka_message_headers(message, &headers))
        for (size_t i = 0; !rd_kafka_header_get_all(headers, i, &name, &value, &bytes) && at < 3000; ++i)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s=%.*s;", name, (int)bytes, (const char *)value);
    printf("%d %lld %zu\n", message->partition, (long long)message->offset, message->key_len + at + message->len + 2);
    fwrite(message->key, 1, message->key_len, stdout);
    printf("\t%s\t", text);
    fwrite(message->payload, 1, message->len, stdout);
    printf("\n");
}

/* ---- a thread that reads along: the mock does not keep all of a million messages */

#define NUMBERS_MAX 16000000
static unsigned char seen[NUMBERS_MAX / 8];
static atomic_long followed_messages, followed_numbers;
static rd_kafka_queue_t *followed;

static void note(const rd_kafka_message_t *message) {
    char text[4096];
    const size_t bytes = message->len < sizeof text - 1 ? message->len : sizeof text - 1;
    const char *at;
    long number;
    memcpy(text, message->payload, bytes);
    text[bytes] = 0;
    atomic_fetch_add(&followed_messages, 1);
    at = strstr(text, "\"n\":");
    if (!at) return;
    number = strtol(at + 4, NULL, 10);
    if (number < 0 || number >= NUMBERS_MAX || seen[number / 8] & (1 << number % 8)) return;
    seen[number / 8] |= (unsigned char)(1 << number % 8);
    atomic_fetch_add(&followed_numbers, 1);
}

static void *go_along(void *nothing) {
    while (followed) {
        rd_kafka_message_t *message = rd_kafka_consume_queue(followed, 1000);
        if (!message) continue;
        if (!message->err) note(message);
        rd_kafka_message_destroy(message);
    }
    return nothing;
}

static void follow(const char *topic, int count) {
    pthread_t thread;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(reader, topic, NULL);
    if (count < 0 || followed) {
        answer(followed ? "one is followed" : "there is no such topic");
        return;
    }
    followed = rd_kafka_queue_new(reader);
    for (int i = 0; i < count; ++i) rd_kafka_consume_start_queue(handle, i, RD_KAFKA_OFFSET_BEGINNING, followed);
    if (pthread_create(&thread, NULL, go_along, NULL)) die("follow", "no thread");
    answer(NULL);
}

static int partitions_of(const char *topic) {
    const struct rd_kafka_metadata *found;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(reader, topic, NULL);
    int count = -1;
    if (!rd_kafka_metadata(reader, 0, handle, &found, WAIT_MS)) {
        count = found->topic_cnt == 1 && !found->topics[0].err ? found->topics[0].partition_cnt : -1;
        rd_kafka_metadata_destroy(found);
    }
    rd_kafka_topic_destroy(handle);
    return count;
}

static void read_all(const char *topic) {
    const int count = partitions_of(topic);
    rd_kafka_topic_t *handle = rd_kafka_topic_new(reader, topic, NULL);
    const char *why = count < 0 ? "there is no such topic" : NULL;
    for (int i = 0; i < count && !why; ++i) {
        int at_end = 0;
        rd_kafka_consume_start(handle, i, RD_KAFKA_OFFSET_BEGINNING);
        while (!at_end && !why) {
            rd_kafka_message_t *message = rd_kafka_consume(handle, i, WAIT_MS);
            if (!message) {
                why = "no end comes";
                break;
            }
            if (!message->err)
                print_message(message);
            else if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
                at_end = 1;
            else
                why = rd_kafka_err2str(message->err);
            rd_kafka_message_destroy(message);
        }
        rd_kafka_consume_stop(handle, i);
    }
    rd_kafka_topic_destroy(handle);
    answer(why);
}

static void tell_bounds(const char *topic) {
    const int count = partitions_of(topic);
    for (int i = 0; i < count; ++i) {
        int64_t first = 0, end = 0;
        const rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(reader, topic, i, &first, &end, WAIT_MS);
        if (code) {
            answer_code(code);
            return;
        }
        printf("%d %lld %lld\n", i, (long long)first, (long long)end);
    }
    answer(count < 0 ? "there is no such topic" : NULL);
}

static void push_errors(int api, int code, long count) {
    for (long i = 0; i < count; ++i)
        rd_kafka_mock_push_request_errors(cluster, (int16_t)api, 1, (rd_kafka_resp_err_t)code);
    answer(NULL);
}

static rd_kafka_resp_err_t all_brokers(rd_kafka_resp_err_t (*call)(rd_kafka_mock_cluster_t *, int32_t)) {
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    for (int32_t i = 1; i <= BROKERS && !code; ++i) code = call(cluster, i);
    return code;
}

static void obey(const char *line) {
    char topic[256];
    int one = 0, other = 0;
    long count = 0;
    if (sscanf(line, "topic %255s %d", topic, &one) == 2)
        answer_code(rd_kafka_mock_topic_create(cluster, topic, one, 1));
    else if (sscanf(line, "put %255s %d %ld", topic, &one, &count) == 3)
        put(topic, one, count);
    else if (!strcmp(line, "followed")) {
        printf("%ld %ld\n", atomic_load(&followed_messages), atomic_load(&followed_numbers));
        answer(NULL);
    } else if (sscanf(line, "follow %255s", topic) == 1)
        follow(topic, partitions_of(topic));
    else if (sscanf(line, "read %255s", topic) == 1)
        read_all(topic);
    else if (sscanf(line, "bounds %255s", topic) == 1)
        tell_bounds(topic);
    else if (sscanf(line, "errors %d %d %ld", &one, &other, &count) == 3)
        push_errors(one, other, count);
    else if (sscanf(line, "leader %255s %d %d", topic, &one, &other) == 3)
        answer_code(rd_kafka_mock_partition_set_leader(cluster, topic, one, other));
    else if (!strcmp(line, "down"))
        answer_code(all_brokers(rd_kafka_mock_broker_set_down));
    else if (!strcmp(line, "up"))
        answer_code(all_brokers(rd_kafka_mock_broker_set_up));
    else if (sscanf(line, "delay %d", &one) == 1) {
        for (int32_t i = 1; i <= BROKERS; ++i) rd_kafka_mock_broker_set_rtt(cluster, i, one);
        answer(NULL);
    } else
        answer("nobody knows this command");
}

int main(void) {
    char *line = NULL;
    size_t room = 0;
    ssize_t bytes;
    begin();
    while ((bytes = getline(&line, &room, stdin)) > 0) {
        if (line[bytes - 1] == '\n') line[bytes - 1] = 0;
        obey(line);
    }
    free(line);
    /* What it holds ends with the process: the library waits for brokers that may be down. */
    _Exit(0);
}
