// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The API: HTTPS with JSON, for `platenctl central` and whoever else has a token
//! (`docs/protocols/central-api.md`).
//!
//! - [`routes`]: what there is, as a table.
//! - [`ask`]: a request whose route is known; [`answer`]: what comes back.
//! - [`people`], [`boxes`], [`accounts`], [`rules`], [`site`], [`releases`], [`records`], [`staff`]: what routes do.
//! - [`openapi`]: the description for machines.

mod accounts;
mod answer;
mod ask;
mod boxes;
mod openapi;
mod people;
mod records;
mod releases;
mod routes;
mod rules;
mod site;
mod staff;
mod upload;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::{Request, Response};
use platen_central::app::Administrator;
use platen_net::{PeerInfo, ReplyBody};

use crate::central::Central;
use answer::{Answer, Refused};
use ask::Ask;
use routes::{Found, Operation};

/// Longest token that is looked up.
const TOKEN_OCTETS_MAX: usize = 256;

/// Answers one request.
pub(crate) async fn handle(
    central: &Arc<Central>,
    request: Request<Incoming>,
    peer: PeerInfo,
) -> Response<ReplyBody> {
    match serve(central, request, peer).await {
        Ok(response) => response,
        Err(refused) => refused.response(),
    }
}

async fn serve(central: &Arc<Central>, request: Request<Incoming>, peer: PeerInfo) -> Answer {
    if !peer.tls {
        return Err(Refused::plain());
    }
    let path = request.uri().path().to_owned();
    let (route, parameters) = match routes::find(request.method().as_str(), &path) {
        Found::Route(route, parameters) => (route, parameters),
        Found::Methods(methods) if methods.is_empty() => {
            return Err(Refused::not_found(format!("there is no {path} here")));
        }
        Found::Methods(methods) => return Err(Refused::method(&methods)),
    };
    let operation = route.operation;
    let (administrator, token) = if operation.is_open() {
        (None, None)
    } else {
        let (administrator, token) = prove(central, &request, &peer).await?;
        (Some(administrator), Some(token))
    };
    let is_change = !matches!(route.method, "GET");
    let ask = Ask::new(
        Arc::clone(central),
        administrator,
        token,
        (route, &parameters),
        request,
    )?;
    let answer = dispatch(operation, ask, peer.addr.ip()).await;
    if is_change && answer.is_ok() {
        central.news.tell();
    }
    answer
}

/// Who asks, by the token.
async fn prove(
    central: &Central,
    request: &Request<Incoming>,
    peer: &PeerInfo,
) -> Result<(Administrator, String), Refused> {
    let header = request.headers().get(AUTHORIZATION);
    let token = header
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim().to_owned())
        .filter(|token| !token.is_empty() && token.len() <= TOKEN_OCTETS_MAX)
        .ok_or_else(Refused::unauthorized)?;
    // A right token is served whatever others at its address guess: many may share one.
    match central.centre.administrator_of(&token).await? {
        Some(administrator) => Ok((administrator, token)),
        None => {
            guard(central, peer.addr.ip())?;
            blame(central, peer.addr.ip());
            Err(Refused::unauthorized())
        }
    }
}

/// Whether the address has guessed too often.
fn guard(central: &Central, address: Option<IpAddr>) -> Result<(), Refused> {
    let now = central.clock.now().elapsed;
    match address {
        Some(address) if !central.guesses.allows(address, now) => {
            Err(Refused::too_often(central.guesses.retry_after_s()))
        }
        _ => Ok(()),
    }
}

/// The address has guessed wrong.
fn blame(central: &Central, address: Option<IpAddr>) {
    if let Some(address) = address {
        central.guesses.take(address, central.clock.now().elapsed);
    }
}

async fn dispatch(operation: Operation, ask: Ask, address: Option<IpAddr>) -> Answer {
    match operation {
        Operation::Health => site::health(ask).await,
        Operation::OpenApi => openapi::show(),
        Operation::Login => staff::login(ask, address).await,
        Operation::Logout => staff::logout(ask).await,
        Operation::Me => staff::me(ask),
        Operation::Status => site::status(ask).await,
        Operation::Users => people::users(ask).await,
        Operation::CreateUser => people::create(ask).await,
        Operation::ImportUsers => people::import(ask).await,
        Operation::User => people::user(ask).await,
        Operation::ChangeUser => people::change(ask).await,
        Operation::DeleteUser => people::delete(ask).await,
        Operation::Credentials => people::credentials(ask).await,
        Operation::BindCard => people::bind_card(ask).await,
        Operation::SetPin => people::set_pin(ask).await,
        Operation::SetPassword => people::set_password(ask).await,
        Operation::IssueCode => people::issue_code(ask).await,
        Operation::RemoveCredential => people::remove_credential(ask).await,
        Operation::Unlock => people::unlock(ask).await,
        Operation::Groups => people::groups(ask).await,
        Operation::CreateGroup => people::create_group(ask).await,
        Operation::RenameGroup => people::rename_group(ask).await,
        Operation::DeleteGroup => people::delete_group(ask).await,
        Operation::Nodes => boxes::list(ask).await,
        Operation::Enrol => boxes::enrol(ask, address).await,
        Operation::Pending => boxes::pending(ask).await,
        Operation::Node => boxes::show(ask).await,
        Operation::RenameNode => boxes::rename(ask).await,
        Operation::RevokeNode => boxes::revoke(ask).await,
        Operation::LoseNode => boxes::lose(ask).await,
        Operation::Quotas => accounts::quotas(ask).await,
        Operation::PutQuota => accounts::put_quota(ask).await,
        Operation::DeleteQuota => accounts::delete_quota(ask).await,
        Operation::Leases => accounts::leases(ask).await,
        Operation::PriceLists => accounts::price_lists(ask).await,
        Operation::PutPrices => accounts::put_prices(ask).await,
        Operation::DeletePrices => accounts::delete_prices(ask).await,
        Operation::Rules => rules::list(ask).await,
        Operation::SetRules => rules::set(ask).await,
        Operation::CheckRules => rules::check(ask).await,
        Operation::Settings => site::settings(ask).await,
        Operation::ChangeSettings => site::change_settings(ask).await,
        Operation::RenameSite => site::rename(ask).await,
        Operation::Restored => site::restored(ask).await,
        Operation::RotateKeys => site::rotate_keys(ask).await,
        Operation::Releases => releases::list(ask).await,
        Operation::AddRelease => releases::add(ask).await,
        Operation::Release => releases::show(ask).await,
        Operation::ReleaseNodes => releases::nodes(ask).await,
        Operation::OfferRelease => releases::offer(ask).await,
        Operation::PauseRelease => releases::pause(ask).await,
        Operation::ResumeRelease => releases::resume(ask).await,
        Operation::RemoveRelease => releases::remove(ask).await,
        Operation::Jobs => records::jobs(ask).await,
        Operation::Charges => records::charges(ask).await,
        Operation::DoubleReleases => records::double_releases(ask).await,
        Operation::Logins => records::logins(ask).await,
        Operation::Alerts => records::alerts(ask).await,
        Operation::Acknowledge => records::acknowledge(ask).await,
        Operation::Audit => records::audit(ask).await,
        Operation::VerifyAudit => records::verify_audit(ask).await,
        Operation::Administrators => staff::administrators(ask).await,
        Operation::CreateAdministrator => staff::create(ask).await,
        Operation::ChangeAdministrator => staff::change(ask).await,
        Operation::Tokens => staff::tokens(ask).await,
        Operation::IssueToken => staff::issue_token(ask).await,
        Operation::RevokeToken => staff::revoke_token(ask).await,
    }
}
