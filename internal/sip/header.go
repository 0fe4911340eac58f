package sip

import "strings"

// Header is a header field that this server has a use for; every other one is
// Other and found by its name.
type Header uint8

// The fields known by a constant, with the RFC that defines those outside 3261.
const (
	Other Header = iota
	Accept
	AcceptEncoding
	Allow
	AllowEvents // RFC 6665
	Authorization
	CallID
	Contact
	ContentEncoding
	ContentLength
	ContentType
	CSeq
	Date
	Event // RFC 6665
	Expires
	From
	MaxForwards
	MinExpires
	MinSE // RFC 4028
	ProxyAuthenticate
	ProxyAuthorization
	ProxyRequire
	RAck   // RFC 3262
	Reason // RFC 3326
	RecordRoute
	ReferTo    // RFC 3515
	ReferredBy // RFC 3892
	Replaces   // RFC 3891
	Require
	RetryAfter
	Route
	RSeq // RFC 3262
	Server
	SessionExpires // RFC 4028
	Subject
	SubscriptionState // RFC 6665
	Supported
	Timestamp
	To
	Unsupported
	UserAgent
	Via
	Warning
	WWWAuthenticate
	numHeaders
)

var headerNames = [numHeaders]string{
	Accept: "Accept", AcceptEncoding: "Accept-Encoding", Allow: "Allow", AllowEvents: "Allow-Events",
	Authorization: "Authorization", CallID: "Call-ID", Contact: "Contact", ContentEncoding: "Content-Encoding",
	ContentLength: "Content-Length", ContentType: "Content-Type", CSeq: "CSeq", Date: "Date", Event: "Event",
	Expires: "Expires", From: "From", MaxForwards: "Max-Forwards", MinExpires: "Min-Expires", MinSE: "Min-SE",
	ProxyAuthenticate: "Proxy-Authenticate", ProxyAuthorization: "Proxy-Authorization", ProxyRequire: "Proxy-Require",
	RAck: "RAck", Reason: "Reason", RecordRoute: "Record-Route", ReferTo: "Refer-To", ReferredBy: "Referred-By",
	Replaces: "Replaces", Require: "Require", RetryAfter: "Retry-After", Route: "Route", RSeq: "RSeq",
	Server: "Server", SessionExpires: "Session-Expires", Subject: "Subject", SubscriptionState: "Subscription-State",
	Supported: "Supported", Timestamp: "Timestamp", To: "To", Unsupported: "Unsupported", UserAgent: "User-Agent",
	Via: "Via", Warning: "Warning", WWWAuthenticate: "WWW-Authenticate",
}

// compact holds the one-letter forms: RFC 3261 section 20, and Refer-To (3515),
// Referred-By (3892), Event (6665), Session-Expires (4028).
var compact = [26]Header{
	'b' - 'a': ReferredBy, 'c' - 'a': ContentType, 'e' - 'a': ContentEncoding, 'f' - 'a': From, 'i' - 'a': CallID,
	'k' - 'a': Supported, 'l' - 'a': ContentLength, 'm' - 'a': Contact, 'o' - 'a': Event, 'r' - 'a': ReferTo,
	's' - 'a': Subject, 't' - 'a': To, 'u' - 'a': AllowEvents, 'v' - 'a': Via, 'x' - 'a': SessionExpires,
}

// byLength has the headers by the length of their name: what HeaderOf compares.
var byLength = func() (t [20][]Header) {
	for h := Accept; h < numHeaders; h++ {
		n := len(headerNames[h])
		t[n] = append(t[n], h)
	}
	return t
}()

// String is the field's name in its usual spelling, "" for Other.
func (h Header) String() string {
	if h >= numHeaders {
		return ""
	}
	return headerNames[h]
}

// HeaderOf finds the constant for a name in any spelling or its compact form,
// Other when there is none.
func HeaderOf(name string) Header {
	if len(name) == 1 {
		if c := name[0] | 0x20; c >= 'a' && c <= 'z' {
			return compact[c-'a']
		}
		return Other
	}
	if len(name) >= len(byLength) {
		return Other
	}
	for _, h := range byLength[len(name)] {
		if strings.EqualFold(headerNames[h], name) {
			return h
		}
	}
	return Other
}

// single tells the fields that may stand only once in a message (RFC 3261
// section 7.3: those without a comma-separated list in their grammar).
func (h Header) single() bool {
	switch h {
	case CallID, ContentLength, ContentType, CSeq, Date, Event, Expires, From, MaxForwards, MinExpires, MinSE,
		RAck, ReferTo, ReferredBy, Replaces, RetryAfter, RSeq, SessionExpires, Subject, SubscriptionState, Timestamp, To:
		return true
	default:
		return false
	}
}
