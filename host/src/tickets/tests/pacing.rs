//! The ramp after a resume.

use super::*;

async fn paused_and_resumed(rig: &Rig) {
    let writer = Writer::operator(0);
    rig.states.pause(&acme(), "lunch", &writer).await.unwrap();
    rig.states.resume(&acme(), "back", &writer).await.unwrap();
}

async fn tickets(rig: &Rig, count: usize) {
    for n in 0..count {
        rig.make(&format!("ticket {n}"), Priority::Normal).await;
    }
}

#[tokio::test]
async fn after_a_resume_claims_keep_half_a_minute_between_them_for_an_hour() {
    let rig = Rig::ready().await;
    tickets(&rig, 6).await;
    rig.claim(None).await;
    rig.claim(None).await;
    rig.clock.forward(1);
    paused_and_resumed(&rig).await;
    rig.claim(None).await;
    assert_eq!(rig.refused(None).await, ClaimResult::BlockedByControl);
    rig.clock.forward(30);
    rig.claim(None).await;
    rig.clock.forward(3600);
    rig.claim(None).await;
    rig.claim(None).await;
}

#[tokio::test]
async fn what_could_not_be_claimed_uses_up_no_turn() {
    let rig = Rig::ready().await;
    paused_and_resumed(&rig).await;
    assert_eq!(rig.ask(None).await, ClaimAnswer::NothingDue);
    tickets(&rig, 1).await;
    rig.claim(None).await;
}

#[tokio::test]
async fn a_restart_does_not_end_the_ramp() {
    let rig = Rig::ready().await;
    tickets(&rig, 3).await;
    paused_and_resumed(&rig).await;
    rig.claim(None).await;
    let rig = rig.restarted().await;
    // The journal of these tests dates every event at 0, which is when the claim was.
    assert_eq!(rig.refused(None).await, ClaimResult::BlockedByControl);
    rig.clock.forward(30);
    rig.claim(None).await;
    assert_eq!(rig.refused(None).await, ClaimResult::BlockedByControl);
}

#[tokio::test]
async fn once_there_is_money_again_claims_keep_their_distance_as_after_a_resume() {
    let rig = Rig::ready().await;
    tickets(&rig, 4).await;
    *rig.purse.0.lock().unwrap() = SlowStart::Since(rig.clock.now());
    rig.claim(None).await;
    assert_eq!(rig.refused(None).await, ClaimResult::BlockedByControl);
    *rig.purse.0.lock().unwrap() = SlowStart::Due;
    rig.clock.forward(29);
    assert_eq!(rig.refused(None).await, ClaimResult::BlockedByControl);
    rig.clock.forward(1);
    rig.claim(None).await;
    *rig.purse.0.lock().unwrap() = SlowStart::None;
    rig.claim(None).await;
}
