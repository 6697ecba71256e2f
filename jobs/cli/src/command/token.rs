//! `spolia token`: who may show what to be known at the doors.

use spolia_exec::Tokens;

use crate::arguments::Token;
use crate::error::CommandError;
use crate::site::Site;

/// Makes, lists or revokes tokens. A running server knows of it at once.
pub fn run(site: &Site, token: Token) -> Result<(), CommandError> {
    let tokens = Tokens::new(site.folder().join(&site.settings.server.tokens));
    match token {
        Token::Add { name, groups, expires } => {
            let secret = tokens.add(&name, groups.into_iter().collect(), expires)?;
            println!("{secret}");
            eprintln!("This is the only time that {name}'s token is shown: Authorization: Bearer {secret}");
        }
        Token::List => {
            for token in tokens.all()?.iter() {
                let groups = token.groups.iter().cloned().collect::<Vec<_>>().join(",");
                let expires = token.expires.map(|day| format!("until {day}")).unwrap_or_default();
                println!("{}", format!("{}  {groups}  {expires}", token.name).trim_end());
            }
        }
        Token::Revoke { name } => {
            tokens.revoke(&name)?;
            eprintln!("{name}'s token no longer holds");
        }
    }
    Ok(())
}
