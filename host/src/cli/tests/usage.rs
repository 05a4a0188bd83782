//! Command lines that are wrong, the daemon's own, and where output goes.

use std::io::{self, Write};

use super::*;

#[test]
fn a_slip_of_the_finger_is_answered_with_what_may_have_been_meant() {
    let ran = Trial::new().kora("plugins lst");
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::UNREACHABLE, ""));
    assert!(
        ran.err.contains("a similar subcommand exists: 'list'"),
        "{}",
        ran.err
    );
}

#[test]
fn what_is_no_id_of_a_ticket_is_answered_with_where_ids_are_shown() {
    let ran = Trial::new().kora("tickets show nonsense");
    assert_eq!(ran.exit, Exit::UNREACHABLE);
    assert!(ran.err.contains("expected an id as lists show it"), "{}", ran.err);
}

#[test]
fn help_is_data_and_says_what_the_codes_mean() {
    let ran = Trial::new().kora("--help");
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::OK, ""));
    assert!(
        ran.out.contains("Exit codes:") && ran.out.contains("KORA_HOME"),
        "{}",
        ran.out
    );
    let daemon = Trial::new().kora("daemon --help").out;
    assert!(daemon.contains("the boot failed"), "{daemon}");
}

#[test]
fn the_daemon_is_run_as_it_was_asked_for_and_its_end_is_the_exit_code() {
    let problem = || Problem::new(ProblemKind::Unavailable, "store.held", "the store is in use");
    let ends = [
        (DaemonEnd::Stopped, Exit::OK, false),
        (DaemonEnd::StartupFailed(problem()), Exit::FAILED, true),
        (DaemonEnd::CannotStart(problem()), Exit::UNREACHABLE, true),
        (DaemonEnd::Interrupted, Exit::INTERRUPTED, false),
    ];
    for (end, exit, says_why) in ends {
        let mut trial = Trial::initialised();
        trial.app.end = end;
        let ran = trial.kora("daemon --only heartbeat --only kora/snapshot --log-level debug");
        assert_eq!(
            (ran.exit, ran.err.contains("the store is in use")),
            (exit, says_why)
        );
        let asked = trial.app.asked.take().unwrap();
        assert_eq!(asked.only, ["heartbeat", "kora/snapshot"]);
        assert_eq!(asked.log_level, Some(crate::domain::LogLevel::Debug));
        assert_eq!(asked.home, trial.home());
    }
}

#[test]
fn a_check_of_the_boot_has_a_code_for_each_outcome() {
    let codes = [
        (BootOutcome::Passed, Exit::OK),
        (BootOutcome::InvariantFailed, Exit::FAILED),
        (BootOutcome::TransientFailed, Exit::UNREACHABLE),
        (BootOutcome::EpochPause, Exit::EPOCH_PAUSE),
        (BootOutcome::Interrupted, Exit::INTERRUPTED),
    ];
    for (outcome, exit) in codes {
        let mut trial = Trial::initialised();
        trial.app.outcome = outcome;
        assert_eq!(trial.kora("boot --check-only").exit, exit);
    }
    assert_eq!(Trial::new().kora("boot").exit, Exit::UNREACHABLE);
}

#[test]
fn the_home_is_the_flags_or_the_variables_or_the_users() {
    let mut trial = Trial::new();
    let home_of = |trial: &Trial, words: &[&str]| {
        trial.run(&[&["init"], &words[1..]].concat());
        trial.run(words);
        trial.app.asked.take().unwrap().home
    };
    assert_eq!(home_of(&trial, &["daemon"]), Home::at(trial.path("user/.kora")));
    trial.variables.insert("KORA_HOME", "other".into());
    assert_eq!(home_of(&trial, &["daemon"]), Home::at(trial.path("other")));
    assert_eq!(
        home_of(&trial, &["daemon", "--home", "flag"]),
        Home::at(trial.path("flag"))
    );
}

#[test]
fn colour_is_off_unless_there_is_a_terminal_or_somebody_asked() {
    let trial = Trial::new();
    let is_coloured = |line: &str| trial.kora(line).err.contains('\x1b');
    assert!(!is_coloured("status"));
    assert!(is_coloured("status --color always"));
    assert!(!is_coloured("status --color never"));
}

#[test]
fn completions_and_versions_need_no_home() {
    let trial = Trial::new();
    assert!(trial.kora("completions bash").out.contains("_kora"));
    assert_eq!(
        trial.kora("version --json").json()["version"],
        env!("CARGO_PKG_VERSION")
    );
    assert!(!trial.home().root().exists());
}

#[test]
fn a_reader_that_has_gone_ends_the_command_in_silence() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let trial = Trial::new();
    let mut err = Vec::new();
    let exit = run(
        ["kora", "version"].map(OsString::from).into_iter(),
        &trial.app,
        Surroundings {
            environment: &|_| None,
            user_directory: Some(trial.path("user")),
            current_directory: trial.path(""),
            input: &mut io::empty(),
            input_is_terminal: false,
            err_is_terminal: false,
        },
        &mut Closed,
        &mut err,
    );
    assert!(![Exit::OK, Exit::FAILED, Exit::UNREACHABLE].contains(&exit));
    assert!(err.is_empty());
}
