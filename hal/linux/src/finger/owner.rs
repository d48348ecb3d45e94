// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The thread's life: open, start, look and serve, and again from the start when something is wrong.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use platen_hal::{DeviceEvent, EnrolStep, FingerLight, FingerLook, FingerprintSensor, ReaderError};
use platen_model::Chain;

use super::noise::Noise;
use super::request::{FingerReply, FingerRequest, Job};
use super::touch::{Told, Touches};
use super::{ABSENCE, Next, OpenSensor, PATIENCE, Shared};
use crate::bus::OpenError;
use crate::lines::now_ns;
use crate::owner::teller::Teller;
use crate::owner::{Retry, lock, looks_in};

/// Looks that must work before the pause between two starts is short again, so that a loose plug
/// does not flap.
const GOOD_LOOKS: u32 = 20;
/// Longest pause, with a start on top: a sensor that is plugged in again works within 2 s.
const RESTART_MAX: Duration = Duration::from_millis(1_500);
/// Failed starts after which a sensor is opened anew, whatever its error was.
const STARTS_MAX: u32 = 5;
/// Limits of a sensor's calls ([`FingerprintSensor`]), after which the system hangs: of most of them,
/// of a look and of what takes as long, and of a template's way.
const CALL_LIMIT: Duration = Duration::from_secs(2);
const LOOK_LIMIT: Duration = Duration::from_secs(5);
const TEMPLATE_LIMIT: Duration = Duration::from_secs(10);
const BUG: &str = "the driver met a bug";

/// An enrolment or a verification that is under way.
struct Work {
    job: Job,
    /// The step that was told last.
    step: Option<EnrolStep>,
    /// Looks since then.
    idle: u16,
}

pub(super) struct Owner<E> {
    sensor: Option<Box<dyn FingerprintSensor>>,
    open: Option<OpenSensor>,
    teller: Arc<Mutex<Teller<E>>>,
    interval: Duration,
    shared: Arc<Shared>,
    touches: Touches,
    work: Option<Work>,
    running: bool,
    light: Option<FingerLight>,
    good_looks: u32,
    /// When the last call began.
    began_ns: u64,
    noise: Noise,
    failed_starts: u32,
    retry: Retry,
}

impl<E: FnMut(DeviceEvent) -> bool> Owner<E> {
    pub(super) fn new(
        sensor: Option<Box<dyn FingerprintSensor>>,
        open: Option<OpenSensor>,
        teller: Arc<Mutex<Teller<E>>>,
        interval: Duration,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            sensor,
            open,
            teller,
            interval,
            shared,
            touches: Touches::new(looks_in(ABSENCE, interval)),
            work: None,
            running: false,
            light: None,
            good_looks: 0,
            began_ns: 0,
            noise: Noise::default(),
            failed_starts: 0,
            retry: Retry::default(),
        }
    }

    pub(super) fn run(mut self) {
        let mut wait = Duration::ZERO;
        loop {
            let idle = self.running && self.work.is_none();
            wait = match self.shared.next(wait, idle) {
                Next::Stop => break,
                Next::Job(job) => self.serve(job),
                Next::Look if self.running => self.look(),
                Next::Look => self.start(),
            };
            self.publish();
            self.report();
        }
        self.shared.end();
    }

    /// Calls the driver, under the watchdog's eyes. One with a bug must not cost the box its sensor.
    fn call<T>(
        &mut self,
        limit: Duration,
        work: impl FnOnce(&mut (dyn FingerprintSensor + 'static)) -> Result<T, ReaderError>,
    ) -> Result<T, ReaderError> {
        let sensor = self.sensor.as_mut().ok_or(ReaderError::Bus)?;
        self.began_ns = now_ns();
        let work = AssertUnwindSafe(|| work(sensor.as_mut()));
        let done = self.shared.calls.watched(limit, || catch_unwind(work));
        done.unwrap_or(Err(ReaderError::Gone { cause: BUG }))
    }

    fn open(&mut self) -> Result<(), OpenError> {
        if let (None, Some(open)) = (&self.sensor, &mut self.open) {
            let open = AssertUnwindSafe(open);
            let calls = &self.shared.calls;
            let opened = calls.watched(CALL_LIMIT, || catch_unwind(open));
            self.sensor = Some(opened.unwrap_or_else(|_| Err(BUG.into()))?);
        }
        Ok(())
    }

    fn start(&mut self) -> Duration {
        if self.failed_starts >= STARTS_MAX {
            self.failed_starts = 0;
            self.close();
        }
        self.failed_starts += 1;
        if let Err(error) = self.open() {
            return self.gone(Chain(error.as_ref()).to_string());
        }
        match self.call(CALL_LIMIT, FingerprintSensor::start) {
            Ok(facts) => {
                lock(&self.shared.state).facts = Some(facts);
                self.running = true;
                self.failed_starts = 0;
                self.noise = Noise::default();
                self.light = None;
                self.show(FingerLight::Waiting)
            }
            Err(error) => self.lost(&error),
        }
    }

    /// A sensor that can be opened again is let go, with everything it holds.
    fn close(&mut self) {
        if self.open.is_some() {
            let sensor = AssertUnwindSafe(|| self.sensor = None);
            // One that panics while it is let go is gone as well.
            let _ = self
                .shared
                .calls
                .watched(CALL_LIMIT, || catch_unwind(sensor));
        }
    }

    /// A call failed: the pause that follows.
    fn lost(&mut self, error: &ReaderError) -> Duration {
        if *error == ReaderError::Bus {
            self.close();
        }
        self.gone(error.to_string())
    }

    fn gone(&mut self, cause: String) -> Duration {
        self.running = false;
        self.good_looks = 0;
        lock(&self.shared.state).cause = Some(cause);
        let jobs = self.shared.jobs();
        let work = self.work.take().map(|work| work.job);
        for job in work.into_iter().chain(jobs) {
            let cause = "sensor is gone";
            self.end(job, Err(ReaderError::Gone { cause }));
        }
        let pause = self.retry.pause().min(RESTART_MAX);
        self.touches.skip(looks_in(pause, self.interval));
        pause
    }

    /// What an error of a look means: the pause that follows it.
    fn unclear(&mut self, error: &ReaderError) -> Duration {
        match error {
            ReaderError::Garbled { .. } if !self.noise.garbled(self.began_ns, now_ns()) => {
                self.interval
            }
            // A look that the sensor refuses is one that it can't serve: it is started anew.
            error => self.lost(error),
        }
    }

    fn looked(&mut self) {
        self.noise = Noise::default();
        // Also behind a call that hung.
        lock(&self.teller).back();
        self.good_looks = self.good_looks.saturating_add(1);
        if self.good_looks >= GOOD_LOOKS {
            self.retry.reset();
        }
    }

    fn look(&mut self) -> Duration {
        if let Some(work) = self.work.take() {
            return self.work_on(work);
        }
        match self.call(LOOK_LIMIT, FingerprintSensor::identify) {
            Ok(look) => {
                self.looked();
                self.touched(look)
            }
            Err(error) => self.unclear(&error),
        }
    }

    fn touched(&mut self, look: FingerLook) -> Duration {
        let light = match self.touches.look(look) {
            Told::Nothing => return self.interval,
            Told::Lifted => FingerLight::Waiting,
            Told::Poor => FingerLight::Bad,
            Told::Finger(slot) => {
                self.tell(slot);
                match slot {
                    Some(_) => FingerLight::Good,
                    None => FingerLight::Bad,
                }
            }
        };
        self.show(light)
    }

    fn tell(&mut self, slot: Option<u16>) {
        let mut teller = lock(&self.teller);
        let taken = teller.finger(slot);
        let mut state = lock(&self.shared.state);
        if taken {
            state.touches += 1;
            return;
        }
        state.touches_dropped += 1;
        // A flood of touches is no flood of lines.
        if state.touches_dropped.is_power_of_two() {
            log::warn!(device = teller.name(), dropped = state.touches_dropped;
                "touches dropped, they were not taken");
        }
    }

    /// Sets the light, where it is another one.
    fn show(&mut self, light: FingerLight) -> Duration {
        if self.light == Some(light) {
            return self.interval;
        }
        self.light = Some(light);
        match self.call(CALL_LIMIT, |sensor| sensor.light(light)) {
            Err(error @ (ReaderError::Gone { .. } | ReaderError::Bus)) => self.lost(&error),
            // A light is not worth more.
            _ => self.interval,
        }
    }

    /// Begins a request, and ends it when it needs no finger.
    fn serve(&mut self, job: Job) -> Duration {
        let slot_of = match &job.request {
            FingerRequest::Enrol { slot } => Some((*slot, true)),
            FingerRequest::Verify { slot } => Some((*slot, false)),
            _ => None,
        };
        let Some((slot, enrols)) = slot_of else {
            let result = self.done(&job.request);
            return self.end(job, result);
        };
        let mut work = Work {
            job,
            step: None,
            idle: 0,
        };
        if !enrols {
            self.work = Some(work);
            return self.show(FingerLight::Waiting);
        }
        match self.call(CALL_LIMIT, |sensor| sensor.enrol(slot)) {
            Ok(step) => {
                work.told(step);
                self.work = Some(work);
                self.show(FingerLight::Waiting)
            }
            Err(error) => self.end(work.job, Err(error)),
        }
    }

    /// Does what needs no finger.
    fn done(&mut self, request: &FingerRequest) -> Result<FingerReply, ReaderError> {
        let done = |()| FingerReply::Done;
        if let FingerRequest::Light(light) = request {
            self.light = Some(*light);
        }
        let limit = match request {
            FingerRequest::Template { .. } | FingerRequest::PutTemplate { .. } => TEMPLATE_LIMIT,
            FingerRequest::DeleteAll => LOOK_LIMIT,
            _ => CALL_LIMIT,
        };
        self.call(limit, |sensor| match request {
            FingerRequest::Slots => sensor.slots().map(FingerReply::Slots),
            FingerRequest::Delete { slot } => sensor.delete(*slot).map(done),
            FingerRequest::DeleteAll => sensor.delete_all().map(done),
            FingerRequest::Template { slot } => sensor.template(*slot).map(FingerReply::Template),
            FingerRequest::PutTemplate { slot, template } => {
                sensor.put_template(*slot, template).map(done)
            }
            FingerRequest::Light(light) => sensor.light(*light).map(done),
            FingerRequest::Enrol { .. } | FingerRequest::Verify { .. } => {
                let cause = "a finger is needed";
                Err(ReaderError::Refused { cause })
            }
        })
    }

    /// One look for the request that is under way.
    fn work_on(&mut self, work: Work) -> Duration {
        match work.job.request {
            FingerRequest::Verify { slot } => self.verify_on(work, slot),
            _ => self.enrol_on(work),
        }
    }

    fn verify_on(&mut self, work: Work, slot: u16) -> Duration {
        let result = self.call(LOOK_LIMIT, |sensor| sensor.verify(slot));
        let (light, look) = match result {
            Ok(look @ FingerLook::Known { .. }) => (FingerLight::Good, look),
            Ok(look @ FingerLook::Unknown) => (FingerLight::Bad, look),
            Ok(_) => {
                self.looked();
                return self.wait_on(work);
            }
            Err(error) => return self.worked_badly(work, error),
        };
        self.looked();
        self.end(work.job, Ok(FingerReply::Look(look)));
        self.spent(light)
    }

    fn enrol_on(&mut self, mut work: Work) -> Duration {
        let step = match self.call(LOOK_LIMIT, FingerprintSensor::enrol_on) {
            Ok(step) => step,
            Err(error) => return self.worked_badly(work, error),
        };
        self.looked();
        if step == EnrolStep::Stored {
            self.end(work.job, Ok(FingerReply::Step(step)));
            return self.spent(FingerLight::Good);
        }
        if work.step == Some(step) {
            return self.wait_on(work);
        }
        if !work.told(step) {
            return self.give_up(work, "nobody waits for the enrolment");
        }
        self.work = Some(work);
        self.show(match step {
            EnrolStep::Again => FingerLight::Bad,
            EnrolStep::Lift => FingerLight::Good,
            _ => FingerLight::Waiting,
        })
    }

    /// Nothing new: goes on, but not for ever.
    fn wait_on(&mut self, mut work: Work) -> Duration {
        work.idle = work.idle.saturating_add(1);
        if work.idle >= looks_in(PATIENCE, self.interval) {
            return self.give_up(work, "no finger came in time");
        }
        self.work = Some(work);
        self.interval
    }

    fn give_up(&mut self, work: Work, cause: &'static str) -> Duration {
        self.end(work.job, Err(ReaderError::Refused { cause }));
        self.spent(FingerLight::Waiting)
    }

    fn worked_badly(&mut self, work: Work, error: ReaderError) -> Duration {
        match error {
            ReaderError::Garbled { .. } => {
                self.work = Some(work);
                self.unclear(&error)
            }
            error => {
                let wait = self.end(work.job, Err(error));
                match self.running {
                    true => self.spent(FingerLight::Bad),
                    false => wait,
                }
            }
        }
    }

    /// The finger of a request that has ended must lift before it counts as a touch.
    fn spent(&mut self, light: FingerLight) -> Duration {
        self.touches.spend();
        self.show(light)
    }

    /// Tells the one who asked how it ended.
    fn end(&mut self, mut job: Job, result: Result<FingerReply, ReaderError>) -> Duration {
        let lost = match &result {
            Err(error @ (ReaderError::Gone { .. } | ReaderError::Bus)) => Some(error.clone()),
            _ => None,
        };
        let served = result.is_ok();
        let heard = job.reply(result.unwrap_or_else(FingerReply::Failed));
        {
            let mut state = lock(&self.shared.state);
            match served && heard {
                true => state.requests += 1,
                false => state.requests_failed += 1,
            }
        }
        match lost {
            Some(error) if self.running => self.lost(&error),
            _ => self.interval,
        }
    }

    /// Offers the sensor's state until it is taken.
    fn report(&self) {
        if self.running {
            return lock(&self.teller).back();
        }
        let cause = lock(&self.shared.state).cause.clone();
        lock(&self.teller).gone(&cause.unwrap_or_default());
    }

    fn publish(&self) {
        let trace = self.sensor.as_ref().and_then(|sensor| sensor.trace());
        let mut state = lock(&self.shared.state);
        state.running = self.running;
        if self.running {
            state.cause = None;
        }
        // One that was opened anew has seen nothing yet: what its predecessor saw stays.
        if let Some(trace) = trace.filter(|trace| trace.entries().next().is_some()) {
            state.trace.clone_from(trace);
        }
    }
}

impl Work {
    /// Tells a new step; `false` when nobody listens any more.
    fn told(&mut self, step: EnrolStep) -> bool {
        self.step = Some(step);
        self.idle = 0;
        self.job.reply(FingerReply::Step(step))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, sync_channel};

    use platen_drivers::Ef01;
    use platen_hal_sim::{Ef01Setup, Ef01Uart, FingerField, SimDelay};

    use super::*;

    const INTERVAL: Duration = Duration::from_millis(100);

    /// An owner without a thread, running.
    fn owner(field: &FingerField) -> Owner<impl FnMut(DeviceEvent) -> bool + use<>> {
        let port = Ef01Uart::new(field, Ef01Setup::r503());
        let sensor = Box::new(Ef01::new(port, SimDelay::default()));
        let shared = Arc::default();
        let teller = Arc::new(Mutex::new(Teller::new("door", |_| true)));
        let mut owner = Owner::new(Some(sensor), None, teller, INTERVAL, shared);
        owner.start();
        assert!(owner.running);
        owner
    }

    fn job(request: FingerRequest) -> (Job, Receiver<FingerReply>) {
        let (sender, replies) = sync_channel(16);
        let job = Job::new(
            request,
            Box::new(move |reply| sender.try_send(reply).is_ok()),
        );
        (job, replies)
    }

    #[test]
    fn requests_to_which_no_finger_comes_are_given_up_after_a_while() {
        let field = FingerField::new();
        field.teach(3, 1);
        let mut owner = owner(&field);
        for request in [
            FingerRequest::Enrol { slot: 4 },
            FingerRequest::Verify { slot: 3 },
        ] {
            let (job, replies) = job(request);
            owner.serve(job);
            let mut waited = Duration::ZERO;
            while owner.work.is_some() {
                waited += owner.look();
            }
            assert_eq!(waited, PATIENCE);
            let cause = "no finger came in time";
            let failed = FingerReply::Failed(ReaderError::Refused { cause });
            assert_eq!(replies.try_iter().last(), Some(failed));
        }
    }
}
