package sip

import (
	"fmt"
	"strings"
)

// InvalidError is what is wrong with a message that could be read, and the status with
// which a request of that kind is to be answered.
type InvalidError struct {
	Status int // 400, 416 or 505
	Err    error
}

func (e *InvalidError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *InvalidError) Unwrap() error { return e.Err }

func invalid(status int, format string, args ...any) *InvalidError {
	return &InvalidError{Status: status, Err: fmt.Errorf(format, args...)}
}

// Validate tells the first thing for which RFC 3261 wants the message refused:
// section 8.1.1's mandatory fields, single fields that stand twice (7.3.1), a
// CSeq method other than the request's (8.1.1.5), wrong lengths (18.3), another
// version (21.5.6), a Request-URI that cannot be read or has an unknown scheme
// (8.2.2.1). A response that is not valid is to be dropped, a request answered.
func (m *Message) Validate() error {
	if m.version != "" && !strings.EqualFold(m.version, Version) {
		return invalid(505, "version %q is not %s", clip(m.version), Version)
	}
	if m.defect != nil {
		return &InvalidError{Status: 400, Err: m.defect}
	}
	if err := m.validateFields(); err != nil {
		return err
	}
	if m.IsResponse() {
		return nil
	}
	u, err := ParseURI(m.RequestURI)
	if err != nil {
		return invalid(400, "Request-URI: %w", err)
	}
	if !u.IsSIP() && u.Scheme != "tel" {
		return invalid(416, "Request-URI has the scheme %q", clip(u.Scheme))
	}
	return nil
}

func (m *Message) validateFields() error {
	var seen [numHeaders]bool
	for i := range m.Fields {
		h := m.Fields[i].Header
		if h.single() && seen[h] && h != ContentLength {
			return invalid(400, "%s stands twice", h)
		}
		seen[h] = true
	}
	for _, h := range [...]Header{Via, From, To, CallID, CSeq} {
		if !seen[h] || m.Get(h) == "" {
			return invalid(400, "%s is missing", h)
		}
	}
	return m.validateValues()
}

func (m *Message) validateValues() error {
	cseq, err := m.CSeq()
	if err != nil {
		return invalid(400, "%w", err)
	}
	if m.IsRequest() && cseq.Method != m.Method {
		return invalid(400, "CSeq names the method %s, the request line %s", clip(cseq.Method), clip(m.Method))
	}
	if _, err := m.Via(); err != nil {
		return invalid(400, "%w", err)
	}
	if strings.ContainsFunc(m.Get(CallID), isControl) {
		return invalid(400, "Call-ID with a control character")
	}
	for _, h := range [...]Header{From, To} {
		if _, err := ParseNameAddr(m.Get(h)); err != nil {
			return invalid(400, "%s: %w", h, err)
		}
	}
	for _, h := range [...]Header{MaxForwards, Expires} {
		if v := m.Get(h); m.Has(h) {
			if _, ok := parseUint(v, 1<<32-1); !ok {
				return invalid(400, "%s %q is not a number", h, clip(v))
			}
		}
	}
	return nil
}
