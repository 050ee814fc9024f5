//! A producer's events: delivery reports in bulk, log lines, errors, statistics.

use std::ffi::{CStr, c_void};
use std::ptr::{self, NonNull};

use rdkafka::bindings as rd;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::RDKafkaErrorCode;

/// Runs when delivery reports begin to wait.
type NonEmpty = Box<dyn Fn() + Send + Sync>;

/// The queue on which delivery reports and the client's own events arrive.
pub(crate) struct EventQueue {
    ptr: NonNull<rd::rd_kafka_queue_t>,
    /// Boxed twice: librdkafka keeps a thin pointer to the inner box while the callback is enabled.
    callback: Option<Box<NonEmpty>>,
}

impl EventQueue {
    /// # Safety
    /// `rk` must be a live client that outlives the queue.
    pub(crate) unsafe fn main(rk: *mut rd::rd_kafka_t) -> EventQueue {
        // SAFETY: the caller vouches for `rk`.
        let ptr = unsafe { rd::rd_kafka_queue_get_main(rk) };
        EventQueue { ptr: NonNull::new(ptr).expect("every client has a main queue"), callback: None }
    }

    pub(crate) fn on_non_empty(&mut self, f: impl Fn() + Send + Sync + 'static) {
        unsafe extern "C" fn call(_: *mut rd::rd_kafka_t, opaque: *mut c_void) {
            // SAFETY: `opaque` points to the box that `EventQueue::callback` keeps until the callback is disabled.
            let f = unsafe { &*(opaque as *const NonEmpty) };
            f();
        }
        let callback: Box<NonEmpty> = Box::new(Box::new(f));
        let opaque = &*callback as *const NonEmpty as *mut c_void;
        // SAFETY: `opaque` stays valid until `Drop` disables the callback, or the next call replaces it.
        unsafe { rd::rd_kafka_queue_cb_event_enable(self.ptr.as_ptr(), Some(call), opaque) };
        self.callback = Some(callback);
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        // SAFETY: `ptr` is live as long as `self`.
        unsafe { rd::rd_kafka_queue_length(self.ptr.as_ptr()) == 0 }
    }

    #[inline]
    pub(crate) fn poll(&self) -> Option<Event> {
        // SAFETY: `ptr` is live; timeout 0 never waits. The event is ours.
        NonNull::new(unsafe { rd::rd_kafka_queue_poll(self.ptr.as_ptr(), 0) }).map(|ptr| Event { ptr })
    }
}

impl Drop for EventQueue {
    fn drop(&mut self) {
        // SAFETY: the reference is ours and given back once; the callback is disabled before its box is freed, and runs
        // only under the queue's lock, so none is running afterwards.
        unsafe {
            if self.callback.is_some() {
                rd::rd_kafka_queue_cb_event_enable(self.ptr.as_ptr(), None, ptr::null_mut());
            }
            rd::rd_kafka_queue_destroy(self.ptr.as_ptr());
        }
    }
}

/// One event; destroying it destroys its messages.
pub(crate) struct Event {
    ptr: NonNull<rd::rd_kafka_event_t>,
}

impl Event {
    #[inline]
    pub(crate) fn kind(&self) -> i32 {
        // SAFETY: the event is live as long as `self`.
        unsafe { rd::rd_kafka_event_type(self.ptr.as_ptr()) }
    }

    /// The next of the event's messages, as many as fit into `buffer`; empty: there are no more.
    #[inline]
    pub(crate) fn messages<'a>(
        &self,
        buffer: &'a mut [*const rd::rd_kafka_message_t],
    ) -> &'a [*const rd::rd_kafka_message_t] {
        // SAFETY: the event is live; librdkafka writes at most `len` pointers and returns how many.
        let count = unsafe { rd::rd_kafka_event_message_array(self.ptr.as_ptr(), buffer.as_mut_ptr(), buffer.len()) };
        &buffer[..count]
    }

    pub(crate) fn log(&self) -> Option<(RDKafkaLogLevel, String, String)> {
        let (mut facility, mut line, mut level) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the event is live; the strings live as long as it does and are copied at once.
        unsafe {
            if rd::rd_kafka_event_log(self.ptr.as_ptr(), &mut facility, &mut line, &mut level) != 0 {
                return None;
            }
            let text = |s: *const std::ffi::c_char| CStr::from_ptr(s).to_string_lossy().trim().to_owned();
            Some((log_level(level), text(facility), text(line)))
        }
    }

    pub(crate) fn error(&self) -> (RDKafkaErrorCode, String) {
        // SAFETY: the event is live, and its error string is never null.
        unsafe {
            let code = rd::rd_kafka_event_error(self.ptr.as_ptr());
            let reason = CStr::from_ptr(rd::rd_kafka_event_error_string(self.ptr.as_ptr()));
            (code.into(), reason.to_string_lossy().trim().to_owned())
        }
    }

    pub(crate) fn statistics(&self) -> &[u8] {
        // SAFETY: the event is a live statistics event, whose text is a C string that lives as long.
        unsafe { CStr::from_ptr(rd::rd_kafka_event_stats(self.ptr.as_ptr())) }.to_bytes()
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: the event is ours and destroyed once.
        unsafe { rd::rd_kafka_event_destroy(self.ptr.as_ptr()) };
    }
}

/// Syslog's numbers, as librdkafka uses them.
fn log_level(level: i32) -> RDKafkaLogLevel {
    match level {
        0 => RDKafkaLogLevel::Emerg,
        1 => RDKafkaLogLevel::Alert,
        2 => RDKafkaLogLevel::Critical,
        3 => RDKafkaLogLevel::Error,
        4 => RDKafkaLogLevel::Warning,
        5 => RDKafkaLogLevel::Notice,
        6 => RDKafkaLogLevel::Info,
        _ => RDKafkaLogLevel::Debug,
    }
}
