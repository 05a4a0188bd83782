//! The HTTP interface of a running host: what it answers whom, what it refuses, and what it withstands.

use crate::harness::{HttpClient, TestHome, add_caller, remove_caller};

#[test]
fn a_token_opens_the_interface_until_it_is_taken_away() {
    let home = TestHome::new();
    let token = add_caller(&home, "reader", &[], &["acme"], None);
    let host = home.start();
    let http = HttpClient::of(&host);

    assert_eq!(http.get("/mcp/tools/list").send().status, 401);
    let listed = http.get("/mcp/tools/list").bearer(&token).send().expect(200);
    assert!(!listed["tools"].as_array().unwrap().is_empty(), "{listed}");

    remove_caller(&home, "reader");
    let refused = http.get("/mcp/tools/list").bearer(&token).send();
    assert_eq!(refused.expect(401)["code"], "access.unauthorized");
    assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
}
