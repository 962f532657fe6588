use super::*;

const ALL: Offered = Offered { mail: true, sms: true, webhook: true };

const fn reach(channel: Channel) -> Reach {
    Reach {
        is_removed: false,
        channel,
        has_address: true,
        is_verified: true,
        is_gone: false,
        is_unwanted: false,
    }
}

#[test]
fn a_message_is_sent_where_it_can_be() {
    for channel in [Channel::Mail, Channel::Sms, Channel::Webhook] {
        assert_eq!(plan(reach(channel), ALL, false), Plan::Send(channel));
        assert_eq!(plan(reach(channel), Offered::default(), false), Plan::Hold(Reason::NotOffered));
        assert_eq!(plan(reach(channel), ALL, true), Plan::GiveUp(Reason::TimeOver));
    }
}

#[test]
fn what_lacks_something_waits_for_it_until_its_time_is_over() {
    let mail = reach(Channel::Mail);
    for (reach, reason) in [
        (Reach { has_address: false, is_verified: false, ..mail }, Reason::NoAddress),
        (Reach { is_verified: false, ..mail }, Reason::NotVerified),
        (Reach { is_gone: true, ..reach(Channel::Webhook) }, Reason::Gone),
    ] {
        assert_eq!(plan(reach, ALL, false), Plan::Hold(reason));
        assert_eq!(plan(reach, ALL, true), Plan::GiveUp(reason));
    }
}

#[test]
fn nothing_goes_to_whoever_is_removed_or_reads_in_the_mailbox() {
    for is_time_over in [false, true] {
        let removed = Reach { is_removed: true, ..reach(Channel::Mail) };
        assert_eq!(plan(removed, ALL, is_time_over), Plan::Drop(Reason::CustomerRemoved));
        assert_eq!(
            plan(reach(Channel::Mailbox), ALL, is_time_over),
            Plan::Drop(Reason::MailboxOnly)
        );
        let unwanted = Reach { is_unwanted: true, ..reach(Channel::Mail) };
        assert_eq!(plan(unwanted, ALL, is_time_over), Plan::Drop(Reason::OptedOut));
    }
}

#[test]
fn mail_is_the_default_where_there_is_an_address_and_a_server() {
    assert_eq!(ALL.default_channel(true), Channel::Mail);
    assert_eq!(ALL.default_channel(false), Channel::Mailbox);
    assert_eq!(Offered::default().default_channel(true), Channel::Mailbox);
}

#[test]
fn pauses_grow_are_bounded_and_heed_the_receiver() {
    let retry = Retry {
        pause: Duration::from_secs(2),
        pause_max: Duration::from_secs(600),
        wish_max: Duration::from_secs(3_600),
    };
    let longest = |tries| retry.pause_after(tries, None, u32::MAX).as_secs();
    assert_eq!([1, 2, 3, 9, 10, 11, u32::MAX].map(longest), [2, 4, 8, 512, 600, 600, 600]);
    assert_eq!(retry.pause_after(9, None, 0), Duration::ZERO);
    let half = retry.pause_after(2, None, u32::MAX / 2);
    assert!((1_900..=2_000).contains(&half.as_millis()), "{half:?}");
    let wish = |seconds| retry.pause_after(1, Some(Duration::from_secs(seconds)), 0).as_secs();
    assert_eq!([0, 30, 3_600, 86_400].map(wish), [0, 30, 3_600, 3_600]);
}

#[test]
fn only_two_kinds_can_be_done_without() {
    let must = MessageKind::ALL.iter().filter(|kind| !OPTIONAL_KINDS.contains(kind));
    let must: Vec<_> = must.map(ToString::to_string).collect();
    assert_eq!(must, ["request-rejected", "approved", "refused", "executed", "repayment-booked"]);
}
