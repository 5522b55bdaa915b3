//! What a client's certificate says of who bears it. Whether it is true is rustls's to check.

use std::time::SystemTime;

use x509_cert::Certificate;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Tag, Tagged};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::config::{CertificateName, OperatorSettings};
use crate::controller::{CommandError, ErrorKind};

/// The common name of a subject.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// The most characters of a certificate's names that a refusal repeats.
const TOLD_MAX: usize = 200;

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// All that its bearer can be told by.
    pub names: Vec<CertificateName>,
    /// Until when it is valid.
    pub until: SystemTime,
}

/// Reads a certificate.
///
/// # Errors
/// In words, if it cannot be read.
pub(super) fn read(der: &[u8]) -> Result<Shown, String> {
    let certificate = Certificate::from_der(der).map_err(|error| error.to_string())?;
    let body = certificate.tbs_certificate();
    let common: Vec<&str> = body
        .subject()
        .iter()
        .filter(|attribute| attribute.oid == COMMON_NAME)
        .filter_map(|attribute| {
            let plain = matches!(
                attribute.value.tag(),
                Tag::Utf8String | Tag::PrintableString | Tag::Ia5String
            );
            let bytes = plain.then(|| attribute.value.value())?;
            std::str::from_utf8(bytes).ok()
        })
        .collect();
    let mut names = Vec::new();
    // Of several common names none can be said to be the one.
    if let [one] = common.as_slice() {
        names.push(CertificateName::CommonName((*one).to_owned()));
    }
    let alternative = body
        .get_extension::<SubjectAltName>()
        .map_err(|error| format!("its alternative names: {error}"))?;
    for name in alternative.into_iter().flat_map(|(_, names)| names.0) {
        match name {
            GeneralName::DnsName(host) => names.push(CertificateName::dns(host.as_str())),
            GeneralName::UniformResourceIdentifier(uri) => {
                names.push(CertificateName::Uri(uri.as_str().to_owned()));
            }
            GeneralName::Rfc822Name(address) => {
                names.push(CertificateName::Email(address.as_str().to_owned()));
            }
            _ => {}
        }
    }
    Ok(Shown {
        names,
        until: SystemTime::UNIX_EPOCH + body.validity().not_after.to_unix_duration(),
    })
}

/// Whom the config names by this certificate.
///
/// # Errors
/// [`CommandError`] if it names nobody, or several: then it is not known what may be done.
pub(super) fn bearer<'a>(
    operators: &'a [OperatorSettings],
    shown: &Shown,
) -> Result<&'a OperatorSettings, CommandError> {
    let mut named = operators
        .iter()
        .filter(|operator| shown.names.contains(&operator.certificate));
    let said = || {
        let names: Vec<String> = shown.names.iter().map(ToString::to_string).collect();
        let clean = names.join(", ");
        let clean = clean.chars().map(|c| if c.is_control() { '?' } else { c });
        clean.take(TOLD_MAX).collect::<String>()
    };
    let refusal = match (named.next(), named.next()) {
        (Some(one), None) => return Ok(one),
        (Some(one), Some(other)) => format!(
            "Your certificate ({}) is that of {} and of {}: it must name one operator. Change \
             [[api.operator]] in the config of the server.",
            said(),
            one.name,
            other.name
        ),
        (None, _) if shown.names.is_empty() => {
            "Your certificate bears no name that an operator can be told by: one common name, or \
             a DNS, URI or email name."
                .to_owned()
        }
        (None, _) => format!(
            "Your certificate ({}) is nobody's who may use this control plane. Whoever runs it \
             can name it under [[api.operator]] in its config.",
            said()
        ),
    };
    Err(CommandError::new(ErrorKind::AccessDeniedException, refusal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AccessRole;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    fn shown(common: &[&str], alternative: Vec<SanType>) -> Shown {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for name in common {
            params.distinguished_name.push(DnType::CommonName, *name);
        }
        params.subject_alt_names = alternative;
        params.not_after = rcgen::date_time_ymd(2030, 1, 2);
        let key = KeyPair::generate().unwrap();
        read(params.self_signed(&key).unwrap().der()).unwrap()
    }

    fn operator(name: &str, certificate: &str) -> OperatorSettings {
        OperatorSettings {
            name: name.into(),
            certificate: CertificateName::read(certificate).unwrap(),
            role: AccessRole::Viewer,
        }
    }

    #[test]
    fn every_name_of_a_certificate_is_read_and_until_when_it_holds() {
        let alternative = vec![
            SanType::DnsName("Ops.Example".try_into().unwrap()),
            SanType::URI("spiffe://shop/ann".try_into().unwrap()),
            SanType::Rfc822Name("ann@shop.example".try_into().unwrap()),
            SanType::IpAddress([10, 0, 0, 1].into()),
        ];
        let shown = shown(&["änn"], alternative);
        let said: Vec<String> = shown.names.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "CN=änn",
                "DNS:ops.example",
                "URI:spiffe://shop/ann",
                "email:ann@shop.example"
            ]
        );
        let until = shown.until.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(until.as_secs(), 1_893_542_400);
        assert!(read(b"no certificate").is_err());
    }

    #[test]
    fn exactly_one_operator_is_named_or_none() {
        let operators = [
            operator("ann", "CN=ann"),
            operator("bot", "URI:spiffe://shop/bot"),
        ];
        let uri = || vec![SanType::URI("spiffe://shop/bot".try_into().unwrap())];
        assert_eq!(
            bearer(&operators, &shown(&["ann"], vec![])).unwrap().name,
            "ann"
        );
        assert_eq!(
            bearer(&operators, &shown(&["x"], uri())).unwrap().name,
            "bot"
        );
        let refused = |shown: &Shown| bearer(&operators, shown).unwrap_err().to_string();
        let both = refused(&shown(&["ann"], uri()));
        assert!(both.contains("that of ann and of bot"), "{both}");
        let nobody = refused(&shown(&["eve\u{1b}[2J"], vec![]));
        assert!(nobody.contains("(CN=eve?[2J) is nobody's"), "{nobody}");
        assert!(refused(&shown(&[], vec![])).contains("bears no name"));
        // Neither the beginning of a name nor its case will do.
        for other in ["an", "Ann", "ann ", "ann@x"] {
            assert!(
                bearer(&operators, &shown(&[other], vec![])).is_err(),
                "{other}"
            );
        }
    }
}
