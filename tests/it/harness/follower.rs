//! A command that goes on, such as `kora events tail --follow`, read line by line.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
    sync::mpsc::{Receiver, channel},
};

use super::{DEADLINE, TestHome};

/// It is killed at the end of the test.
pub struct Follower {
    child: Child,
    lines: Receiver<String>,
}

impl Follower {
    /// Starts it.
    pub fn spawn(home: &TestHome, arguments: &[&str]) -> Self {
        let mut child = home.command(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines() {
                if sender.send(line.unwrap()).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// The next line.
    ///
    /// # Panics
    /// If none comes.
    #[track_caller]
    pub fn line(&self) -> String {
        self.lines.recv_timeout(DEADLINE).expect("another line")
    }

    /// Waits until it has ended by itself, and answers its exit code.
    pub fn exit_code(mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
