//! `basic_auth`, `authorization`, `oauth2` and the deprecated `bearer_token(_file)`: at most one of them.

use super::{NO_REFERENCE, oauth2};
use crate::config::decode::{Cursor, Decoded, Fields};
use crate::config::http_client::Auth;
use crate::config::secret::{Secret, SecretSource};

/// Inline text, file and reference of one secret, empty ones left out.
#[derive(Clone, Default)]
pub(super) struct Choice {
    inline: Option<String>,
    file: Option<String>,
    reference: bool,
}

impl Choice {
    /// Takes the inline text and the file.
    pub(super) fn read(fields: &mut Fields<'_>, name: &str, file: &str) -> Choice {
        let mut text = |key: &str| fields.string(key).filter(|text| !text.is_empty());
        Choice {
            inline: text(name),
            file: text(file),
            reference: false,
        }
    }

    /// Takes a reference as well, and refuses it unless it is one of several mistakes.
    pub(super) fn or_reference(mut self, fields: &mut Fields<'_>, key: &str) -> Choice {
        self.reference = fields.string(key).is_some_and(|text| !text.is_empty());
        if self.reference && self.count() == 1 {
            fields.rule(key, NO_REFERENCE);
        }
        self
    }

    pub(super) fn count(&self) -> usize {
        let written = [self.inline.is_some(), self.file.is_some(), self.reference];
        written.into_iter().filter(|is| *is).count()
    }

    pub(super) fn source(self) -> SecretSource {
        match self.file {
            Some(file) => SecretSource::File(file.into()),
            None => SecretSource::Inline(Secret::new(self.inline.unwrap_or_default())),
        }
    }
}

/// Takes every way to authenticate and notes when there are two.
pub(super) fn read(fields: &mut Fields<'_>) -> Auth {
    let basic = fields.non_null("basic_auth");
    let header = fields.non_null("authorization");
    let oauth2_at = fields.non_null("oauth2");
    let oauth2 = oauth2_at.is_some();
    let bearer = Choice::read(fields, "bearer_token", "bearer_token_file");
    let bearer_key = match bearer.inline {
        Some(_) => "bearer_token",
        None => "bearer_token_file",
    };
    let has_bearer = bearer.count() > 0;
    if bearer.count() > 1 {
        fields.rule(
            bearer_key,
            "at most one of bearer_token & bearer_token_file must be configured",
        );
    }
    if has_bearer && (basic.is_some() || oauth2) {
        fields.rule(
            bearer_key,
            "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured",
        );
    } else if has_bearer && header.is_some() {
        let message = "authorization is not compatible with bearer_token & bearer_token_file";
        fields.rule(bearer_key, message);
    }
    match (basic, header) {
        (Some(_), Some(_)) => {
            exclusive(fields, "authorization");
            Auth::None
        }
        (Some(_), None) | (None, Some(_)) if oauth2 => {
            exclusive(fields, "oauth2");
            Auth::None
        }
        (Some(at), None) => fields.note(read_basic(&at)).unwrap_or_default(),
        (None, Some(at)) => fields.note(read_header(&at)).unwrap_or_default(),
        (None, None) if let Some(at) = oauth2_at => {
            let config = fields.note(oauth2::read(&at));
            config.map_or(Auth::None, |config| Auth::OAuth2(Box::new(config)))
        }
        (None, None) if has_bearer => Auth::Header {
            kind: "Bearer".to_owned(),
            credentials: bearer.source(),
        },
        (None, None) => Auth::None,
    }
}

fn exclusive(fields: &mut Fields<'_>, key: &str) {
    fields.rule(
        key,
        "at most one of basic_auth, oauth2 & authorization must be configured",
    );
}

fn read_basic(at: &Cursor<'_>) -> Decoded<Auth> {
    let mut fields = Fields::new(at, "config.plain")?;
    let username = Choice::read(&mut fields, "username", "username_file")
        .or_reference(&mut fields, "username_ref");
    let password = Choice::read(&mut fields, "password", "password_file")
        .or_reference(&mut fields, "password_ref");
    if username.count() > 1 {
        fields.rule_here(
            "at most one of basic_auth username, username_file & username_ref must be configured",
        );
    }
    if password.count() > 1 {
        fields.rule_here(
            "at most one of basic_auth password, password_file & password_ref must be configured",
        );
    }
    fields.finish()?;
    Ok(Auth::Basic {
        username: username.source(),
        password: password.source(),
    })
}

fn read_header(at: &Cursor<'_>) -> Decoded<Auth> {
    let mut fields = Fields::new(at, "config.Authorization")?;
    let kind = fields.string("type").unwrap_or_default();
    let kind = match kind.trim() {
        "" => "Bearer",
        kind => kind,
    };
    let credentials = Choice::read(&mut fields, "credentials", "credentials_file")
        .or_reference(&mut fields, "credentials_ref");
    if credentials.count() > 1 {
        fields.rule_here(
            "at most one of authorization credentials & credentials_file must be configured",
        );
    }
    if kind.eq_ignore_ascii_case("basic") {
        fields.rule(
            "type",
            "authorization type cannot be set to \"basic\", use \"basic_auth\" instead",
        );
    }
    fields.finish()?;
    Ok(Auth::Header {
        kind: kind.to_owned(),
        credentials: credentials.source(),
    })
}
