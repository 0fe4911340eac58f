package webhook

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"callcontroller/internal/journal"
)

// message is one webhook: the same at every attempt.
type message struct {
	id   string // of webhook-id, and of the CloudEvent; no full stop in it
	body []byte
}

// cloudEvent is an event in the structured mode of CloudEvents 1.0.2 (JSON Event Format,
// section 3).
type cloudEvent struct {
	SpecVersion     string          `json:"specversion"`
	ID              string          `json:"id"`
	Source          string          `json:"source"`
	Type            string          `json:"type"`
	Subject         string          `json:"subject,omitempty"` // the call
	Time            time.Time       `json:"time"`
	DataContentType string          `json:"datacontenttype"`
	Data            json.RawMessage `json:"data"`
}

const contentType = "application/cloudevents+json"

// eventMessage makes the webhook of an entry. Its id is that of the call and the number
// in it: unlike a position, it does not come again when a new journal is begun, which
// who keeps ids would take for a repeat.
func eventMessage(source string, e *journal.Entry) (message, error) {
	data, err := withID(e)
	if err != nil {
		return message{}, err
	}
	return newMessage(cloudEvent{
		ID: e.Call + "-" + strconv.FormatUint(e.Seq, 10), Source: source, Type: e.Event, Subject: e.Call, Time: e.Time.UTC(), Data: data,
	})
}

// withID gives the api.Event of an entry, whose id is known only now.
func withID(e *journal.Entry) (json.RawMessage, error) {
	if len(e.Data) < 3 || e.Data[0] != '{' {
		return nil, errors.New("its data is no JSON object")
	}
	head := `{"id":"` + strconv.FormatUint(uint64(e.Position), 10) + `",`
	return append([]byte(head), e.Data[1:]...), nil
}

// testMessage makes the event that tries an endpoint.
func testMessage(source string) message {
	m, _ := newMessage(cloudEvent{ // which is always JSON
		ID: "test-" + rand.Text(), Source: source, Type: TestType, Time: time.Now().UTC(), Data: json.RawMessage(`{}`),
	})
	return m
}

func newMessage(e cloudEvent) (message, error) {
	e.SpecVersion, e.DataContentType = "1.0", "application/json"
	body, err := json.Marshal(e)
	return message{id: e.ID, body: body}, err
}
