//! Connections that are handed over to another protocol.

use super::*;

const SERVE: &str = "{\"id\":1,\"method\":\"mcp.serve\",\"params\":{\"caller\":\"pm\"}}\n";

#[tokio::test]
async fn a_connection_that_is_handed_over_speaks_the_other_protocol_from_the_next_line_on() {
    let host = Host::start().await;
    let mut peer = host.raw().await;
    // In one piece: what was read ahead is not lost.
    peer.say(&format!("{SERVE}\"a\"\n")).await;
    assert_eq!(peer.hear().await, json!({ "id": 1, "result": null }));
    let mut line = String::new();
    peer.0.read_line(&mut line).await.unwrap();
    assert_eq!(line, "\"a\"\"a\"\n");
    peer.0.get_mut().shutdown().await.unwrap();
    assert_eq!(
        peer.0.read_u8().await.unwrap_err().kind(),
        std::io::ErrorKind::UnexpectedEof
    );
}

#[tokio::test]
async fn a_conversation_that_is_refused_leaves_the_connection_as_it_was() {
    let host = Host::start().await;
    let mut peer = host.raw().await;
    peer.say(&SERVE.replace("pm", "nobody")).await;
    assert_eq!(peer.hear().await["error"]["code"], "caller.unknown");
    peer.say("{\"id\":2,\"method\":\"identity.show\",\"params\":{\"tenant\":\"a\"}}\n")
        .await;
    host.until(|fake| fake.under_way.load(Ordering::SeqCst) == 1)
        .await;
    peer.say(SERVE).await;
    assert_eq!(peer.hear().await["error"]["code"], "socket.in_use");
    host.client().await.call(&open("a")).await.unwrap();
    assert_eq!(peer.hear().await["result"], "a");
}

#[tokio::test]
async fn a_conversation_ends_when_the_host_stops() {
    let host = Host::start().await;
    let mut peer = host.raw().await;
    peer.say(SERVE).await;
    peer.hear().await;
    host.stop.cancel();
    timeout(DEADLINE, host.serving)
        .await
        .expect("it stops in time")
        .unwrap();
    assert_eq!(
        peer.0.read_u8().await.unwrap_err().kind(),
        std::io::ErrorKind::UnexpectedEof
    );
}
