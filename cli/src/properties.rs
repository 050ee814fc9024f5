//! librdkafka's properties: which there are, what they accept, and which two names mean the same.

use std::ffi::CStr;

use kolo_engine::check::program::{ConnectorKind, Program, Property};
use kolo_engine::diagnostic::{Code, Diagnostic, similar};
use rdkafka::ClientConfig;
use rdkafka::bindings as rd;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

use crate::outcome::Failure;

/// Second names, and what they stand for. librdkafka takes either; of two that mean the same, the last one set wins, and
/// a configuration here has no order. So everything is set under one name. (librdkafka's CONFIGURATION.md, "Alias".)
const ALIASES: &[(&str, &str)] = &[
    ("metadata.broker.list", "bootstrap.servers"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("sasl.mechanism", "sasl.mechanisms"),
    ("sasl.oauthbearer.client.credentials.client.id", "sasl.oauthbearer.client.id"),
    ("sasl.oauthbearer.client.credentials.client.secret", "sasl.oauthbearer.client.secret"),
    ("max.partition.fetch.bytes", "fetch.message.max.bytes"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("message.send.max.retries", "retries"),
    ("compression.codec", "compression.type"),
    ("request.required.acks", "acks"),
    ("delivery.timeout.ms", "message.timeout.ms"),
    ("auto.commit.enable", "enable.auto.commit"),
];

/// The one name under which kolo sets a property.
pub(crate) fn canonical(key: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == key).map_or(key, |(_, name)| name)
}

/// The properties that librdkafka refuses, as diagnostics at their place in the program.
pub(crate) fn check_program(program: &Program) -> Vec<Diagnostic> {
    let connectors = program.connectors.iter().filter_map(|connector| match &connector.kind {
        ConnectorKind::Kafka(kafka) => Some(&kafka.properties),
        _ => None,
    });
    let all = connectors
        .chain(program.sources.iter().map(|source| &source.properties))
        .chain(program.targets.iter().map(|target| &target.properties));
    all.flatten().filter_map(check_one).collect()
}

fn check_one(property: &Property) -> Option<Diagnostic> {
    let Property { key, value, key_span, value_span } = property;
    Some(match refusal(key, value)? {
        Refusal::Unknown(_) => {
            Diagnostic::new(Code::UnknownArgument, *key_span, format!("librdkafka has no property {key}"))
                .label("neither a parameter of kolo's nor a property of librdkafka")
                .suggest(resembling(key).map(|name| name.replace('.', "_")).as_deref())
                .note("every parameter that kolo does not know itself is a property of librdkafka, with `_` for `.`")
        }
        Refusal::Value(reason) => {
            Diagnostic::new(Code::BadValue, *value_span, format!("librdkafka refuses this value of {key}"))
                .label(reason)
        }
    })
}

/// Checks properties of the command line, before anything is connected.
///
/// # Errors
/// The first one that librdkafka refuses.
pub(crate) fn check_overrides(properties: &[(String, String)]) -> Result<(), Failure> {
    for (key, value) in properties {
        let said = match refusal(key, value) {
            None => continue,
            Some(Refusal::Value(reason)) => reason,
            Some(Refusal::Unknown(reason)) => match resembling(key) {
                Some(name) => format!("{reason}; did you mean {name}?"),
                None => reason,
            },
        };
        return Err(Failure::new(format_args!("-X {key}={value}: {said}")));
    }
    Ok(())
}

enum Refusal {
    Unknown(String),
    Value(String),
}

/// Why librdkafka refuses a property, if it does.
fn refusal(key: &str, value: &str) -> Option<Refusal> {
    match ClientConfig::new().set(key, value).create_native_config() {
        Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, reason, ..)) => {
            Some(Refusal::Unknown(reason))
        }
        Err(KafkaError::ClientConfig(_, reason, ..)) => Some(Refusal::Value(reason)),
        Err(other) => Some(Refusal::Value(other.to_string())),
        Ok(_) => None,
    }
}

/// The property whose name is most like `key`.
fn resembling(key: &str) -> Option<String> {
    let names = known();
    similar(key, names.iter().map(String::as_str)).map(str::to_owned)
}

/// The names of all properties.
fn known() -> Vec<String> {
    let mut names: Vec<String> = ALIASES.iter().flat_map(|(a, b)| [(*a).to_owned(), (*b).to_owned()]).collect();
    let mut add = |dump: *mut *const std::ffi::c_char, count: usize| {
        for i in (0..count).step_by(2) {
            // SAFETY: a dump is an array of `count` C strings, names and values in turn, alive until it is freed.
            names.push(unsafe { CStr::from_ptr(*dump.add(i)) }.to_string_lossy().into_owned());
        }
        // SAFETY: the dump is ours, and freed once.
        unsafe { rd::rd_kafka_conf_dump_free(dump, count) };
    };
    // SAFETY: both configurations are ours: made here, dumped while live, destroyed once.
    unsafe {
        let mut count = 0;
        let global = rd::rd_kafka_conf_new();
        add(rd::rd_kafka_conf_dump(global, &mut count), count);
        rd::rd_kafka_conf_destroy(global);
        let topic = rd::rd_kafka_topic_conf_new();
        add(rd::rd_kafka_topic_conf_dump(topic, &mut count), count);
        rd::rd_kafka_topic_conf_destroy(topic);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn librdkafka_judges_properties_one_by_one() {
        assert!(refusal("linger.ms", "5").is_none());
        assert!(matches!(refusal("linger.mss", "5"), Some(Refusal::Unknown(_))));
        assert!(matches!(refusal("linger.ms", "soon"), Some(Refusal::Value(_))));
        assert_eq!(resembling("linger.mss").as_deref(), Some("linger.ms"));
        assert_eq!(resembling("sesion.timeout.ms").as_deref(), Some("session.timeout.ms"));
    }

    #[test]
    fn both_names_of_a_property_are_librdkafkas_and_set_the_same() {
        for (alias, name) in ALIASES {
            let set = ClientConfig::new().set(*alias, "1").create_native_config();
            if let Ok(native) = set
                && let (Ok(by_alias), Ok(by_name)) = (native.get(alias), native.get(name))
            {
                assert_eq!(by_alias, by_name, "{alias} is {name}");
            }
            assert!(!matches!(refusal(alias, "1"), Some(Refusal::Unknown(_))), "{alias}");
            assert!(!matches!(refusal(name, "1"), Some(Refusal::Unknown(_))), "{name}");
        }
    }

    #[test]
    fn an_override_by_another_name_replaces_the_default() {
        assert_eq!(canonical("delivery.timeout.ms"), canonical("message.timeout.ms"));
        assert_eq!(canonical("queue.buffering.max.ms"), "linger.ms");
        assert_eq!(canonical("client.id"), "client.id");
    }
}
