//! What an address says of TLS, and what follows from it. By the names that libpq's users know; where a choice is left, the safer one.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use super::{Authorities, Mode, Tls};
use crate::store::postgres::InvalidPlace;

/// In place of a file: those whom the machine trusts.
const PLATFORM: &str = "system";

/// How far it is to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Reach {
    /// A socket of this machine, over which there is no TLS.
    Socket,
    /// An address of this machine.
    Machine,
    /// Over a network, which may read along.
    Network,
}

/// What an address says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Wish {
    mode: Option<Mode>,
    authorities: Option<Authorities>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl Wish {
    /// Takes it out of the parameters of an address; answers the rest of the address too.
    ///
    /// # Errors
    /// If a value is none, or stands there twice.
    pub(in super::super) fn take_from(url: &str) -> Result<(String, Self), InvalidPlace> {
        let mut wish = Self::default();
        let Some((address, parameters)) = url.split_once('?') else {
            return Ok((url.to_owned(), wish));
        };
        let mut others = Vec::new();
        for parameter in parameters.split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            // As the library reads the others.
            let name = percent_decode_str(name)
                .decode_utf8()
                .map_err(|_| InvalidPlace::Form)?;
            let value = percent_decode_str(value)
                .decode_utf8()
                .map_err(|_| InvalidPlace::Form)?;
            match &*name {
                "sslmode" => once(&mut wish.mode, mode(&value)?)?,
                "sslrootcert" if value == PLATFORM => once(&mut wish.authorities, Authorities::Platform)?,
                "sslrootcert" => once(&mut wish.authorities, Authorities::File(file(&value)?))?,
                "sslcert" => once(&mut wish.certificate, file(&value)?)?,
                "sslkey" => once(&mut wish.key, file(&value)?)?,
                _ => others.push(parameter),
            }
        }
        let rest = if others.is_empty() {
            address.to_owned()
        } else {
            format!("{address}?{}", others.join("&"))
        };
        Ok((rest, wish))
    }

    /// What follows from it.
    ///
    /// # Errors
    /// If that would promise more than it keeps.
    pub(in super::super) fn decide(self, reach: Reach) -> Result<Tls, InvalidPlace> {
        let client = match (self.certificate, self.key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err(InvalidPlace::HalfOfAPair),
        };
        let names_something = self.authorities.is_some() || client.is_some();
        let mode = match (self.mode, reach) {
            (_, Reach::Socket) => Mode::Disable,
            (Some(Mode::Prefer), Reach::Network) => return Err(InvalidPlace::Prefer),
            (Some(mode), _) => mode,
            (None, Reach::Machine) if !names_something => Mode::Disable,
            (None, _) => Mode::VerifyFull,
        };
        let authorities = match (mode, self.authorities) {
            (Mode::VerifyCa, None | Some(Authorities::Platform))
            | (Mode::Require, Some(Authorities::Platform)) => return Err(InvalidPlace::AnybodyCertified),
            (_, authorities) => authorities.unwrap_or(Authorities::Platform),
        };
        let mode = match (mode, &authorities) {
            (Mode::Require, Authorities::File(_)) => Mode::VerifyCa,
            (mode, _) => mode,
        };
        Ok(Tls::new(mode, authorities, client))
    }
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), InvalidPlace> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(InvalidPlace::Form),
    }
}

fn mode(value: &str) -> Result<Mode, InvalidPlace> {
    Ok(match value {
        "disable" => Mode::Disable,
        "prefer" => Mode::Prefer,
        "require" => Mode::Require,
        "verify-ca" => Mode::VerifyCa,
        "verify-full" => Mode::VerifyFull,
        _ => return Err(InvalidPlace::SslMode),
    })
}

fn file(value: &str) -> Result<PathBuf, InvalidPlace> {
    let path = PathBuf::from(value);
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(InvalidPlace::RelativeFile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(parameters: &str, reach: Reach) -> Result<(Mode, Authorities), InvalidPlace> {
        let (_, wish) = Wish::take_from(&format!("postgres://u@h/d?{parameters}"))?;
        let tls = wish.decide(reach)?;
        Ok((tls.0.mode, tls.0.authorities.clone()))
    }

    #[test]
    fn a_server_on_the_network_is_verified_in_full_unless_less_was_asked_for() {
        let (file, platform) = (Authorities::File("/ca.pem".into()), Authorities::Platform);
        for (parameters, mode, authorities) in [
            ("", Mode::VerifyFull, &platform),
            ("sslmode=verify-full", Mode::VerifyFull, &platform),
            ("sslrootcert=system", Mode::VerifyFull, &platform),
            ("sslrootcert=/ca.pem", Mode::VerifyFull, &file),
            ("sslmode=verify-ca&sslrootcert=%2Fca.pem", Mode::VerifyCa, &file),
            // As libpq does where it finds a file of authorities.
            ("sslmode=require&sslrootcert=/ca.pem", Mode::VerifyCa, &file),
            ("sslmode=require", Mode::Require, &platform),
            ("sslmode=disable", Mode::Disable, &platform),
        ] {
            assert_eq!(
                decided(parameters, Reach::Network),
                Ok((mode, authorities.clone())),
                "{parameters}"
            );
        }
    }

    #[test]
    fn on_this_machine_there_is_tls_where_it_is_asked_for_and_over_a_socket_there_is_none() {
        let mode = |parameters: &str, reach| decided(parameters, reach).map(|(mode, _)| mode);
        assert_eq!(mode("", Reach::Machine), Ok(Mode::Disable));
        assert_eq!(mode("sslmode=prefer", Reach::Machine), Ok(Mode::Prefer));
        assert_eq!(mode("sslmode=require", Reach::Machine), Ok(Mode::Require));
        assert_eq!(mode("sslrootcert=/ca.pem", Reach::Machine), Ok(Mode::VerifyFull));
        assert_eq!(mode("sslmode=verify-full", Reach::Socket), Ok(Mode::Disable));
    }

    #[test]
    fn what_would_promise_more_than_it_keeps_is_refused() {
        for (parameters, refusal) in [
            ("sslmode=prefer", InvalidPlace::Prefer),
            ("sslmode=allow", InvalidPlace::SslMode),
            ("sslmode=verify", InvalidPlace::SslMode),
            ("sslmode=", InvalidPlace::SslMode),
            ("sslmode=verify-ca", InvalidPlace::AnybodyCertified),
            (
                "sslmode=verify-ca&sslrootcert=system",
                InvalidPlace::AnybodyCertified,
            ),
            (
                "sslmode=require&sslrootcert=system",
                InvalidPlace::AnybodyCertified,
            ),
            ("sslrootcert=ca.pem", InvalidPlace::RelativeFile),
            ("sslcert=/c.pem", InvalidPlace::HalfOfAPair),
            ("sslkey=/k.pem&sslmode=require", InvalidPlace::HalfOfAPair),
            ("sslmode=verify-full&sslmode=disable", InvalidPlace::Form),
        ] {
            assert_eq!(
                decided(parameters, Reach::Network).unwrap_err(),
                refusal,
                "{parameters}"
            );
        }
    }

    #[test]
    fn the_rest_of_the_address_stays_as_it_was() {
        let (rest, _) = Wish::take_from(
            "postgres://u@h/d?connect_timeout=3&sslmode=require&target_session_attrs=read-write",
        )
        .unwrap();
        assert_eq!(
            rest,
            "postgres://u@h/d?connect_timeout=3&target_session_attrs=read-write"
        );
        assert_eq!(
            Wish::take_from("postgres://u@h/d?sslmode=require").unwrap().0,
            "postgres://u@h/d"
        );
    }
}
