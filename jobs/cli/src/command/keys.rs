//! `spolia keys`: the keys that sign links.

use spolia_catalogue::Control;

use crate::arguments::Keys;
use crate::error::CommandError;
use crate::site::Site;

/// Lists, changes or forgets keys. Running servers take it up within seconds.
pub async fn run(site: &Site, keys: Keys) -> Result<(), CommandError> {
    let control = Control::new(site.archive_settings()?.control.config)?;
    control.check_version().await?;
    match keys {
        Keys::List => {
            for key in control.signing_keys().await? {
                println!("{}  {}", key.version, key.created.format("%Y-%m-%d %H:%M:%S UTC"));
            }
        }
        Keys::Rotate => {
            control.signing_keys().await?;
            println!("{}", control.rotate_signing_key().await?);
            eprintln!("This key signs links from now on; links that older keys have signed still hold");
        }
        Keys::Forget { version } => {
            if !control.forget_signing_key(version).await? {
                let message = format!("there is no older key {version}; the newest one signs, and stays");
                return Err(CommandError::Said(message));
            }
            eprintln!("links that key {version} has signed no longer hold");
        }
    }
    Ok(())
}
