#include "runtime/links/link_peer.h"

#include "runtime/links/amqp_link.h"
#include "runtime/links/file_sink.h"
#include "runtime/links/file_source.h"
#include "runtime/links/kafka_link.h"
#include "runtime/links/mqtt_link.h"
#include "runtime/links/nats_sink.h"
#include "runtime/links/nats_source.h"
#include "runtime/links/postgres_link.h"
#include "runtime/links/redis_link.h"

namespace millrace::runtime {

std::unique_ptr<LinkSource> make_source(const PeerDeps& deps, const Link& link,
                                        const LinkConfig& config, std::string_view position) {
    switch (link.type) {
        case LinkType::kFile: return std::make_unique<FileSource>(deps, config, position);
        case LinkType::kPostgres: return std::make_unique<PostgresSource>(deps, config, position);
        case LinkType::kMqtt: return std::make_unique<MqttSource>(deps, link, config, position);
        case LinkType::kNats:
            if (config.stream.empty())
                return std::make_unique<NatsSubjectSource>(deps, config, position);
            return std::make_unique<NatsStreamSource>(deps, config, position);
        case LinkType::kAmqp:
            return std::make_unique<AmqpSource>(deps, config, make_amqp_reader(deps, config));
        case LinkType::kKafka:
            return std::make_unique<KafkaSource>(deps, config, position,
                                                 make_kafka_reader(deps, config));
        case LinkType::kRedis: break;
    }
    return std::make_unique<RedisSource>(deps, config, position);
}

std::unique_ptr<LinkSink> make_sink(const PeerDeps& deps, const Link& link,
                                    const LinkConfig& config) {
    switch (link.type) {
        case LinkType::kFile: return std::make_unique<FileSink>(deps, config);
        case LinkType::kPostgres: return std::make_unique<PostgresSink>(deps, config);
        case LinkType::kMqtt: return std::make_unique<MqttSink>(deps, link, config);
        case LinkType::kNats:
            if (config.stream.empty()) return std::make_unique<NatsSubjectSink>(deps, config);
            return std::make_unique<NatsStreamSink>(deps, config);
        case LinkType::kAmqp:
            return std::make_unique<AmqpSink>(deps, config, make_amqp_writer(deps, config));
        case LinkType::kKafka:
            return std::make_unique<KafkaSink>(deps, make_kafka_writer(deps, config));
        case LinkType::kRedis: break;
    }
    return std::make_unique<RedisSink>(deps, config);
}

}  // namespace millrace::runtime
