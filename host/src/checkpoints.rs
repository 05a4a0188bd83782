//! Signing where chains end, from time to time, and keeping what was signed beside the store: who cuts a chain or writes it anew
//! has to change these too, and cannot make them without the key.
//!
//! ```text
//!   keys/checkpoint.key             the key, its owner's alone; made when it is first needed
//!   audit/checkpoints/acme.txt      signed notes, one after another; `acme.1.txt` holds those before
//! ```
//!
//! Whoever can read the home can sign, so what is copied elsewhere in time is worth more than what lies here.

mod files;
mod key_file;
mod signer;

pub use self::{
    files::{CheckpointFiles, Kept},
    key_file::{KeyFile, KeyFileError, name_of_machine},
    signer::{CheckpointError, CheckpointParts, Checkpoints, Every, Signed},
};
