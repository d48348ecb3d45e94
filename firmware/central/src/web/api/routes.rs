// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every route of the API, as data: what is served, what stands in the machine-readable description,
//! and what may be asked without a token come from this one table.

/// A route.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) method: &'static str,
    /// Parameters stand in braces.
    pub(crate) path: &'static str,
    pub(crate) operation: Operation,
    /// One sentence.
    pub(crate) about: &'static str,
    /// Parameters of the query.
    pub(crate) query: &'static [&'static str],
    pub(crate) takes: Takes,
    /// Schema of the answer; `[name]` for a page of a list, empty for none.
    pub(crate) gives: &'static str,
}

/// What a route takes as its body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Takes {
    Nothing,
    /// JSON of this schema.
    Json(&'static str),
    /// Text of this media type.
    Text(&'static str),
    /// Any bytes, as they come.
    Bytes,
}

macro_rules! routes {
    ($(
        $method:ident $path:literal $operation:ident ($($query:literal)*) $takes:expr, $gives:literal:
            $about:literal
    )*) => {
        /// What a route does.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub(crate) enum Operation {
            $($operation),*
        }

        /// All of them.
        pub(crate) const ROUTES: &[Route] = &[
            $(Route {
                method: stringify!($method),
                path: $path,
                operation: Operation::$operation,
                about: $about,
                query: &[$($query),*],
                takes: $takes,
                gives: $gives,
            }),*
        ];
    };
}

use Takes::{Bytes, Json, Nothing, Text};

routes! {
    GET "/v1/health" Health () Nothing, "Health":
        "Whether the server and its database answer; needs no token."
    GET "/v1/openapi.json" OpenApi () Nothing, "OpenApi":
        "This description; needs no token."
    POST "/v1/login/password" Login () Json("Login"), "Session":
        "A token for an administrator's name and password; needs no token."
    POST "/v1/logout" Logout () Nothing, "":
        "Makes the token of this request worthless."
    GET "/v1/me" Me () Nothing, "Administrator":
        "Whose token this is."
    GET "/v1/status" Status () Nothing, "Status":
        "The server, its site, and what needs a hand."

    GET "/v1/users" Users ("search" "group" "after" "limit") Nothing, "[User]":
        "People, by login name."
    POST "/v1/users" CreateUser () Json("NewUser"), "User":
        "Adds a person."
    POST "/v1/users/import" ImportUsers () Text("text/csv"), "Import":
        "Adds or changes people and cards; good rows are taken, each broken one is named."
    GET "/v1/users/{user}" User () Nothing, "User":
        "One person, by id or login name."
    PATCH "/v1/users/{user}" ChangeUser () Json("UserChange"), "User":
        "Changes what is named."
    DELETE "/v1/users/{user}" DeleteUser () Nothing, "":
        "Deletes a person with everything that proves them."
    GET "/v1/users/{user}/credentials" Credentials () Nothing, "[Credential]":
        "What a person proves themselves with, without secrets."
    POST "/v1/users/{user}/cards" BindCard () Json("NewCard"), "Created":
        "Binds a card by its number or its keyed hash."
    POST "/v1/users/{user}/pin" SetPin () Json("NewPin"), "":
        "A new PIN."
    POST "/v1/users/{user}/password" SetPassword () Json("NewPassword"), "":
        "A new password."
    POST "/v1/users/{user}/codes" IssueCode () Json("NewCode"), "Code":
        "A code for one login or one card, told this once."
    DELETE "/v1/credentials/{credential}" RemoveCredential () Nothing, "":
        "Takes a credential away."
    POST "/v1/credentials/{credential}/unlock" Unlock () Nothing, "":
        "Forgets the wrong tries of a credential."

    GET "/v1/groups" Groups ("after" "limit") Nothing, "[Group]":
        "Groups of people."
    POST "/v1/groups" CreateGroup () Json("NewGroup"), "Created":
        "Adds a group."
    PATCH "/v1/groups/{group}" RenameGroup () Json("NewGroup"), "":
        "Gives a group another name."
    DELETE "/v1/groups/{group}" DeleteGroup () Nothing, "":
        "Deletes a group; its people stay."

    GET "/v1/nodes" Nodes ("after" "limit") Nothing, "[Node]":
        "Boxes: when they were seen, and what they owe."
    POST "/v1/nodes/enrol" Enrol () Json("Enrol"), "Node":
        "Makes the box that shows a code a member of the site."
    GET "/v1/nodes/pending" Pending ("after" "limit") Nothing, "[Pending]":
        "Boxes that ask to become members."
    GET "/v1/nodes/{node}" Node () Nothing, "Node":
        "One box, by id or name."
    PATCH "/v1/nodes/{node}" RenameNode () Json("NodeName"), "Node":
        "Gives a box another name."
    POST "/v1/nodes/{node}/revoke" RevokeNode () Nothing, "":
        "Takes a box out of the site; what it recorded stays."
    POST "/v1/nodes/{node}/lost" LoseNode () Nothing, "":
        "Takes a box's slices of quotas back: it is gone for good."

    GET "/v1/quotas" Quotas ("after" "limit") Nothing, "[Quota]":
        "Quotas."
    PUT "/v1/quotas/{quota}" PutQuota () Json("NewQuota"), "Quota":
        "Makes or changes a quota, by id or name."
    DELETE "/v1/quotas/{quota}" DeleteQuota () Nothing, "":
        "Deletes a quota."
    GET "/v1/leases" Leases ("node" "quota" "all" "after" "limit") Nothing, "[Lease]":
        "Slices of quotas that boxes have."
    GET "/v1/prices" PriceLists ("after" "limit") Nothing, "[Prices]":
        "Price lists."
    PUT "/v1/prices/{prices}" PutPrices () Json("NewPrices"), "Prices":
        "Makes or changes a price list, by id or name."
    DELETE "/v1/prices/{prices}" DeletePrices () Nothing, "":
        "Deletes a price list."

    GET "/v1/rules" Rules () Nothing, "Rules":
        "The rules of the site, in the order they are asked."
    PUT "/v1/rules" SetRules () Text("text/plain"), "RulesReport":
        "Takes these rules in place of those there are; none of them when one can't be read."
    POST "/v1/rules/check" CheckRules () Text("text/plain"), "RulesReport":
        "Reads rules and says what is wrong with them."
    GET "/v1/settings" Settings () Nothing, "Settings":
        "What the site decides for all its boxes."
    PATCH "/v1/settings" ChangeSettings () Json("SettingsChange"), "Settings":
        "Changes what is named."
    PATCH "/v1/site" RenameSite () Json("SiteName"), "":
        "Gives the site another name."
    POST "/v1/site/restored" Restored () Nothing, "Generation":
        "Says that the database was put back from a backup: boxes fetch the directory anew."
    POST "/v1/keys/rotate" RotateKeys () Nothing, "Generation":
        "Puts a new key on top of all card hashes; no card is enrolled anew."

    GET "/v1/releases" Releases ("after" "limit") Nothing, "[Release]":
        "Releases of the boxes' image, and how far each has spread."
    POST "/v1/releases" AddRelease ("version" "compatible" "notes" "size" "sha256") Bytes, "Release":
        "Adds a release by its bundle; offers it to nobody yet."
    GET "/v1/releases/{release}" Release () Nothing, "Release":
        "One release, by id or version."
    GET "/v1/releases/{release}/nodes" ReleaseNodes ("after" "limit") Nothing, "[ReleaseNode]":
        "The boxes that a release fits, and how each stands to it."
    POST "/v1/releases/{release}/offer" OfferRelease () Json("Offer"), "Release":
        "Offers a release to a share of the boxes, or changes how; one that paused goes on."
    POST "/v1/releases/{release}/pause" PauseRelease () Nothing, "Release":
        "Makes boxes leave a release alone."
    POST "/v1/releases/{release}/resume" ResumeRelease () Nothing, "Release":
        "Goes on with a release that paused."
    DELETE "/v1/releases/{release}" RemoveRelease () Nothing, "":
        "Removes a release with its bundle; boxes that run it stay as they are."

    GET "/v1/jobs" Jobs ("user" "node" "since" "until" "after" "limit") Nothing, "[Job]":
        "Jobs, newest first."
    GET "/v1/charges" Charges ("user" "node" "since" "until" "after" "limit") Nothing, "[Charge]":
        "Charges, newest first: one a job."
    GET "/v1/double-releases" DoubleReleases ("after" "limit") Nothing, "[Charge]":
        "Jobs that were released twice: the second time is not charged."
    GET "/v1/logins" Logins ("user" "node" "refused" "after" "limit") Nothing, "[LoginRecord]":
        "Who was recognised at boxes, and who was not."
    GET "/v1/alerts" Alerts ("all" "after" "limit") Nothing, "[Alert]":
        "What a person should look at."
    POST "/v1/alerts/{alert}/acknowledge" Acknowledge () Nothing, "":
        "Somebody has looked at it."
    GET "/v1/audit" Audit ("after" "limit") Nothing, "[AuditEntry]":
        "What administrators did."
    GET "/v1/audit/verify" VerifyAudit () Nothing, "AuditVerdict":
        "Whether the audit log's chain is whole."

    GET "/v1/administrators" Administrators ("after" "limit") Nothing, "[Administrator]":
        "Administrators."
    POST "/v1/administrators" CreateAdministrator () Json("NewAdministrator"), "Created":
        "Adds an administrator."
    PATCH "/v1/administrators/{administrator}" ChangeAdministrator () Json("AdministratorChange"), "":
        "Sets a password, or lets an administrator in or not."
    GET "/v1/tokens" Tokens ("after" "limit") Nothing, "[Token]":
        "Tokens of the administrator who asks, never the tokens themselves."
    POST "/v1/tokens" IssueToken () Json("NewToken"), "Session":
        "A token for a program, told this once."
    DELETE "/v1/tokens/{token}" RevokeToken () Nothing, "":
        "Makes a token worthless."
}

impl Operation {
    /// Whether it is served without a token.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Health | Self::OpenApi | Self::Login)
    }
}

impl Route {
    /// The parameters of `path`, as they stand in it, when it is this route's.
    pub(crate) fn parameters<'a>(&self, path: &'a str) -> Option<Vec<&'a str>> {
        let (mut own, mut words) = (self.path.split('/'), path.split('/'));
        let mut parameters = Vec::new();
        loop {
            match (own.next(), words.next()) {
                (None, None) => return Some(parameters),
                (Some(own), Some(word)) if own.starts_with('{') && !word.is_empty() => {
                    parameters.push(word);
                }
                (Some(own), Some(word)) if own == word => {}
                _ => return None,
            }
        }
    }
}

/// What is at a path: the route of a method, or the methods that there are.
pub(crate) enum Found<'a> {
    Route(&'static Route, Vec<&'a str>),
    Methods(Vec<&'static str>),
}

/// Looks a path up; a route without parameters comes before one with.
pub(crate) fn find<'a>(method: &str, path: &'a str) -> Found<'a> {
    let fitting = ROUTES
        .iter()
        .filter_map(|route| Some((route, route.parameters(path)?)));
    let mut fitting: Vec<_> = fitting.collect();
    fitting.sort_by_key(|(_, parameters)| parameters.len());
    let methods = fitting.iter().map(|(route, _)| route.method).collect();
    let found = fitting
        .into_iter()
        .find(|(route, _)| route.method == method);
    match found {
        Some((route, parameters)) => Found::Route(route, parameters),
        None => Found::Methods(methods),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_path_comes_before_a_parameter() {
        let Found::Route(route, parameters) = find("GET", "/v1/nodes/pending") else {
            panic!("a route");
        };
        assert_eq!(route.operation, Operation::Pending);
        assert!(parameters.is_empty());
        let Found::Route(route, parameters) = find("GET", "/v1/nodes/hall") else {
            panic!("a route");
        };
        assert_eq!(
            (route.operation, parameters),
            (Operation::Node, vec!["hall"])
        );
    }

    #[test]
    fn another_method_and_another_path_are_told_apart() {
        let methods = |method, path| match find(method, path) {
            Found::Route(..) => panic!("no route"),
            Found::Methods(methods) => methods,
        };
        assert_eq!(methods("PUT", "/v1/users"), ["GET", "POST"]);
        for path in ["/v1", "/v1/users/", "/v1/users/a/b/c", "/", "/v2/users"] {
            assert!(methods("GET", path).is_empty(), "{path}");
        }
    }
}
