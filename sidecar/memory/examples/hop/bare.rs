//! What calls could stand on, without anything of ours.

use std::hint::spin_loop;
use std::thread::yield_now;

use iceoryx2::config::Config;
use iceoryx2::node::{Node, NodeBuilder};
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::reader::EntryHandle;
use iceoryx2::port::writer::EntryHandleMut;
use iceoryx2::prelude::{AllocationStrategy, SignalHandlingMode, ipc};
use iceoryx2::service::builder::Builder;
use iceoryx2::service::port_factory::{publish_subscribe, request_response};

use crate::{Place, VALUE, timed};

type Service = ipc::Service;
type Messages = publish_subscribe::PortFactory<Service, [u8], ()>;
type Requests = request_response::PortFactory<Service, [u8], (), [u8], ()>;

/// Room of a message.
const ROOM: usize = 1_024;
const KEY: u32 = 0;

/// What is done between two looks: on one core the other end needs it.
fn rest(place: Place) {
    match place {
        Place::SameCore => yield_now(),
        Place::OtherCore => spin_loop(),
    }
}

/// Looks until something is there.
fn wait<T>(place: Place, mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(found) = look() {
            return found;
        }
        rest(place);
    }
}

pub(crate) fn measure(form: &str, name: &str, place: Place, blocks: usize, calls: usize) -> Vec<f64> {
    let node = node();
    match form {
        "board" => {
            let there = write(&node, name, "there");
            let back = read(&node, name, "back");
            let mut number = 0;
            timed(blocks, calls, || {
                number += 1;
                there.update_with_copy(number);
                wait(place, || (*back.get() == number).then_some(()));
            })
        }
        "published" => {
            let publisher = publisher(&messages(&node, name, "there"));
            let subscriber = messages(&node, name, "back").subscriber_builder().create().unwrap();
            timed(blocks, calls, || {
                publish(&publisher, &VALUE);
                let sample = wait(place, || subscriber.receive().unwrap());
                assert_eq!(sample.payload(), VALUE);
            })
        }
        form => {
            let builder = requests(&node, name, form);
            let builder = builder.client_builder().initial_max_slice_len(ROOM);
            let client = builder.allocation_strategy(AllocationStrategy::Static).create().unwrap();
            timed(blocks, calls, || {
                let mut request = client.loan_slice(VALUE.len()).unwrap();
                request.payload_mut().copy_from_slice(&VALUE);
                let pending = request.send().unwrap();
                let response = wait(place, || pending.receive().unwrap());
                assert_eq!(response.payload(), VALUE);
            })
        }
    }
}

pub(crate) fn serve(form: &str, name: &str, place: Place) {
    let node = node();
    match form {
        "board" => {
            let back = write(&node, name, "back");
            println!("ready");
            let there = read(&node, name, "there");
            let mut last = 0;
            loop {
                last = wait(place, || Some(*there.get()).filter(|number| *number != last));
                back.update_with_copy(last);
            }
        }
        "published" => {
            let subscriber = messages(&node, name, "there").subscriber_builder().create().unwrap();
            let publisher = publisher(&messages(&node, name, "back"));
            println!("ready");
            loop {
                let sample = wait(place, || subscriber.receive().unwrap());
                publish(&publisher, sample.payload());
            }
        }
        form => {
            let builder = requests(&node, name, form);
            let builder = builder.server_builder().initial_max_slice_len(ROOM);
            let server = builder.allocation_strategy(AllocationStrategy::Static).create().unwrap();
            println!("ready");
            loop {
                let request = wait(place, || server.receive().unwrap());
                let mut response = request.loan_slice(request.payload().len()).unwrap();
                response.payload_mut().copy_from_slice(request.payload());
                response.send().unwrap();
            }
        }
    }
}

fn node() -> Node<Service> {
    let mut config = Config::global_config().clone();
    // As ours: each look for a message passes over as many places.
    config.defaults.publish_subscribe.subscriber_expired_connection_buffer = 4;
    let builder = NodeBuilder::new().signal_handling_mode(SignalHandlingMode::Disabled).config(&config);
    builder.create::<Service>().unwrap()
}

fn service(node: &Node<Service>, name: &str, part: &str) -> Builder<Service> {
    node.service_builder(&format!("{name}/{part}").as_str().try_into().unwrap())
}

fn write(node: &Node<Service>, name: &str, way: &str) -> EntryHandleMut<Service, u32, u64> {
    let board = service(node, name, way).blackboard_creator::<u32>().add::<u64>(KEY, 0).create().unwrap();
    board.writer_builder().create().unwrap().entry::<u64>(&KEY).unwrap()
}

/// Waits until the other end has made the board.
fn read(node: &Node<Service>, name: &str, way: &str) -> EntryHandle<Service, u32, u64> {
    let board = wait(Place::SameCore, || service(node, name, way).blackboard_opener::<u32>().open().ok());
    board.reader_builder().create().unwrap().entry::<u64>(&KEY).unwrap()
}

fn messages(node: &Node<Service>, name: &str, way: &str) -> Messages {
    let builder = service(node, name, way).publish_subscribe::<[u8]>().max_publishers(4).max_subscribers(1);
    builder.subscriber_max_buffer_size(64).enable_safe_overflow(false).open_or_create().unwrap()
}

fn publisher(messages: &Messages) -> Publisher<Service, [u8], ()> {
    let builder = messages.publisher_builder().initial_max_slice_len(ROOM);
    builder.allocation_strategy(AllocationStrategy::Static).create().unwrap()
}

fn publish(publisher: &Publisher<Service, [u8], ()>, bytes: &[u8]) {
    let mut sample = publisher.loan_slice(bytes.len()).unwrap();
    sample.payload_mut().copy_from_slice(bytes);
    sample.send().unwrap();
}

fn requests(node: &Node<Service>, name: &str, form: &str) -> Requests {
    let most = if form == "requests/2" { 2 } else { 65 };
    service(node, name, "calls")
        .request_response::<[u8], [u8]>()
        .max_servers(1)
        .max_clients(4)
        .max_active_requests_per_client(most)
        .max_loaned_requests(most)
        .max_response_buffer_size(1)
        .max_borrowed_responses_per_pending_response(1)
        .enable_safe_overflow_for_requests(false)
        .enable_safe_overflow_for_responses(false)
        .enable_fire_and_forget_requests(false)
        .open_or_create()
        .unwrap()
}
