// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Releases of the boxes' image: added by their bundles, offered to boxes, and how far they spread.

use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use platen_central::app::{
    Centre, KeptRelease, NewRelease, Node, OfferChange, Progress, ReleaseUpload,
};
use platen_model::{ReleaseId, ReleaseVersion, Window};
use platen_net::{BodyLimits, BodyReader};
use platen_sync::release::RELEASE_BYTES_MAX;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::answer::{Answer, Refused, created, done, json as answer};
use super::ask::{Ask, check_media, one_of};
use super::boxes::is_online;
use crate::central::Central;

/// How long what is left of a refused bundle is read, so that the client gets to see the answer.
const DISCARD_LIMIT: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfferBody {
    share_percent: Option<u8>,
    /// Missing: as it was; null: always.
    #[serde(default, deserialize_with = "named")]
    window: Option<Option<Window>>,
    allow_older: Option<bool>,
    pause_on_failure: Option<bool>,
    #[serde(default)]
    again: bool,
}

fn named<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<Window>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// The release that a word names, by id or by version.
async fn find(centre: &Centre, word: &str) -> Result<KeptRelease, Refused> {
    let all = centre.releases().await?.into_iter();
    let named = all.map(|kept| (kept.release.version.to_string(), kept));
    let found = one_of(named.collect(), word, |(version, kept)| {
        (kept.release.id.0, version.as_str())
    })?;
    let found = found.map(|(_, kept)| kept);
    found.ok_or_else(|| Refused::not_found(format!("there is no release '{word}'")))
}

fn view(kept: &KeptRelease, nodes: &[Node]) -> Value {
    let release = &kept.release;
    let rollout = kept.rollout(nodes);
    json!({
        "id": release.id,
        "version": release.version,
        "compatible": release.compatible,
        "size_bytes": release.size_bytes,
        "sha256": hex(&release.sha256),
        "notes": release.notes,
        "state": kept.state,
        "added_unix_ms": kept.touched_unix_ms,
        "turn": kept.turn,
        "share_percent": kept.share_percent,
        "window": kept.window,
        "allow_older": kept.allow_older,
        "pause_on_failure": kept.pause_on_failure,
        "paused_for": kept.paused_for,
        "have": rollout.have,
        "under_way": rollout.under_way,
        "failed": rollout.failed,
        "waiting": rollout.waiting,
        "outside": rollout.outside,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash(text: &str) -> Option<[u8; 32]> {
    let plain = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = |n: usize| u8::from_str_radix(text.get(2 * n..2 * n + 2)?, 16).ok();
    let bytes = plain.then(|| (0..32).map(number).collect::<Option<Vec<u8>>>())??;
    bytes.try_into().ok()
}

async fn shown(centre: &Centre, id: ReleaseId) -> Result<Value, Refused> {
    let kept = find(centre, &id.to_string()).await?;
    Ok(view(&kept, &centre.nodes().await?))
}

pub(super) async fn list(ask: Ask) -> Answer {
    let centre = &ask.central.centre;
    let (all, nodes) = (centre.releases().await?, centre.nodes().await?);
    ask.whole(all.iter().map(|kept| view(kept, &nodes)))
}

pub(super) async fn show(ask: Ask) -> Answer {
    let centre = &ask.central.centre;
    let id = find(centre, ask.parameter()).await?.release.id;
    answer(&shown(centre, id).await?)
}

pub(super) async fn nodes(ask: Ask) -> Answer {
    let centre = &ask.central.centre;
    let kept = find(centre, ask.parameter()).await?;
    let nodes = centre.nodes().await?;
    let mut rows: Vec<(Progress, &Node)> = nodes
        .iter()
        .filter_map(|node| Some((kept.progress(node)?, node)))
        .collect();
    rows.sort_by_key(|(progress, _)| *progress);
    let rows = rows.into_iter().map(|row| standing(&ask.central, row));
    ask.whole(rows.collect::<Vec<_>>().into_iter())
}

fn standing(central: &Central, (progress, node): (Progress, &Node)) -> Value {
    let running = node.running.clone().unwrap_or_default();
    json!({
        "node": node.id,
        "node_name": node.name,
        "online": is_online(central, node),
        "progress": progress,
        "runs": running.version,
        "slot": running.slot,
        "phase": running.phase,
        "percent": running.percent,
        "reason": running.reason,
    })
}

pub(super) async fn add(ask: Ask) -> Answer {
    let (central, actor) = (ask.central.clone(), ask.actor()?);
    check_media(&ask.request, "application/octet-stream")?;
    let _turn = central.uploads.acquire().await;
    let upload = match begin(&ask).await {
        Ok(upload) => upload,
        Err(refused) => {
            discard(&central, ask.request).await;
            return Err(refused);
        }
    };
    let upload = take(&central, ask.request, upload).await?;
    let id = upload.finish(&actor).await?;
    created(&shown(&central.centre, id).await?)
}

async fn begin(ask: &Ask) -> Result<ReleaseUpload, Refused> {
    let wrong = "write the version, as in 1.2.3";
    let version = ask.parsed::<ReleaseVersion>("version", wrong)?;
    let sha256 = ask.wish("sha256").map(|text| {
        let wrong = "write 64 hexadecimal digits";
        hash(text).ok_or_else(|| Refused::field("sha256", wrong))
    });
    let new = NewRelease {
        version: version.ok_or_else(|| Refused::field("version", wrong))?,
        compatible: ask.wish("compatible").unwrap_or_default().to_owned(),
        notes: ask.wish("notes").unwrap_or_default().to_owned(),
        size_bytes: ask.parsed("size", "write a number of bytes")?,
        sha256: sha256.transpose()?,
    };
    Ok(ask.central.centre.begin_release(new).await?)
}

fn reader(central: &Central, request: Request<Incoming>) -> BodyReader {
    let (head, body) = request.into_parts();
    let limits = BodyLimits {
        bytes: RELEASE_BYTES_MAX,
        ..BodyLimits::default()
    };
    BodyReader::new(body, limits, central.clock.clone()).with_headers(&head.headers)
}

async fn discard(central: &Central, request: Request<Incoming>) {
    let body = reader(central, request);
    body.discard(RELEASE_BYTES_MAX, DISCARD_LIMIT).await;
}

/// The whole body goes into the database, or nothing of it.
async fn take(
    central: &Central,
    request: Request<Incoming>,
    mut upload: ReleaseUpload,
) -> Result<ReleaseUpload, Refused> {
    let mut body = reader(central, request);
    let refused: Refused = loop {
        let taken = match body.next().await {
            Ok(Some(piece)) => upload.take(&piece).await,
            Ok(None) => return Ok(upload),
            Err(error) => break error.into(),
        };
        if let Err(error) = taken {
            break error.into();
        }
    };
    upload.give_up().await;
    body.discard(RELEASE_BYTES_MAX, DISCARD_LIMIT).await;
    Err(refused)
}

pub(super) async fn offer(ask: Ask) -> Answer {
    let (central, actor) = (ask.central.clone(), ask.actor()?);
    let id = find(&central.centre, ask.parameter()).await?.release.id;
    let body: OfferBody = ask.json().await?;
    let change = OfferChange {
        share_percent: body.share_percent,
        window: body.window,
        allow_older: body.allow_older,
        pause_on_failure: body.pause_on_failure,
        again: body.again,
    };
    central.centre.offer_release(&actor, id, &change).await?;
    answer(&shown(&central.centre, id).await?)
}

pub(super) async fn pause(ask: Ask) -> Answer {
    let (centre, actor) = (&ask.central.centre, ask.actor()?);
    let id = find(centre, ask.parameter()).await?.release.id;
    centre.pause_release(&actor, id).await?;
    answer(&shown(centre, id).await?)
}

pub(super) async fn resume(ask: Ask) -> Answer {
    let (centre, actor) = (&ask.central.centre, ask.actor()?);
    let id = find(centre, ask.parameter()).await?.release.id;
    centre.resume_release(&actor, id).await?;
    answer(&shown(centre, id).await?)
}

pub(super) async fn remove(ask: Ask) -> Answer {
    let (centre, actor) = (&ask.central.centre, ask.actor()?);
    let id = find(centre, ask.parameter()).await?.release.id;
    centre.remove_release(&actor, id).await?;
    done()
}
