package v1

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"callcontroller/api"
	"callcontroller/internal/auth"
	"callcontroller/internal/control"
	"callcontroller/internal/httpapi"
)

// The problems of the field Idempotency-Key.
const (
	keyInUse  = "urn:callcontroller:problem:key-in-use"
	keyReused = "urn:callcontroller:problem:key-reused"
)

const keyField = "header.Idempotency-Key"

// placeOnce places a call unless the key has one. Only an answer that says that there is
// a call is kept: after an error nothing was sent, so the next try with the key may do
// better (draft-ietf-httpapi-idempotency-key-header section 2.6 leaves that to us).
func (h *handler) placeOnce(ctx context.Context, name string, body api.PlaceCall) (*placeOutput, error) {
	request, err := digestOf(body)
	if err != nil {
		return nil, problemOf(ctx, err)
	}
	entry, ours, err := h.Keys.Create(ctx, name, Entry{Request: request, Call: control.NewID()})
	if err != nil {
		return nil, problemOf(ctx, err)
	}
	if !ours && entry.Left && entry.Request == request {
		if entry, ours, err = h.recover(ctx, name, entry); err != nil {
			return nil, problemOf(ctx, err)
		}
	}
	if !ours {
		return replay(ctx, entry, request)
	}
	out, err := h.placeNow(ctx, entry.Call, body)
	if err != nil {
		h.noteKeys(ctx, h.Keys.Release(ctx, name, entry))
		return nil, err
	}
	h.finish(ctx, name, entry, out.Body)
	return out, nil
}

func (h *handler) finish(ctx context.Context, name string, e Entry, c api.Call) []byte {
	answer, err := json.Marshal(c)
	if err == nil {
		err = h.Keys.Finish(ctx, name, e, answer)
	}
	h.noteKeys(ctx, err)
	return answer
}

// recover takes a key whose process ended before it could say what came of the request. If
// there is a call, that is the answer. If not, nothing has left, for a call is known
// before its first INVITE leaves: then it is placed now, by one of those who ask.
func (h *handler) recover(ctx context.Context, name string, e Entry) (Entry, bool, error) {
	taken, ok, err := h.Keys.Take(ctx, name, e)
	if err != nil || !ok {
		return e, false, err
	}
	c, err := h.find(ctx, askedBy(ctx).principal, e.Call)
	if err != nil {
		return taken, true, nil
	}
	taken.Answer = h.finish(ctx, name, taken, c)
	return taken, false, nil
}

// noteKeys puts trouble with the keys into the log: the client has his answer.
func (h *handler) noteKeys(ctx context.Context, err error) {
	if err != nil {
		httpapi.SetError(ctx, err)
	}
}

// replay answers a request whose key was there.
func replay(ctx context.Context, e Entry, request Digest) (*placeOutput, error) {
	if e.Request != request {
		p := fieldProblem(http.StatusUnprocessableEntity, keyField, "another request was sent with this key; take a new one for each call")
		p.Type = keyReused
		return nil, p
	}
	if e.Answer == nil {
		p := fieldProblem(http.StatusConflict, keyField, "a request with this key is under way; try again later")
		p.Type = keyInUse
		return nil, p
	}
	var c api.Call
	if err := json.Unmarshal(e.Answer, &c); err != nil {
		return nil, problemOf(ctx, err)
	}
	out := placed(c)
	out.Replayed = "true"
	return out, nil
}

// digestOf is by what two requests are compared: what they say, not how it is written.
func digestOf(body api.PlaceCall) (Digest, error) {
	text, err := json.Marshal(body)
	return sha256.Sum256(text), err
}

// nameOf is the key of one principal: others may have the same. All trusted peers are
// one, since who tries again may come from another address of a pair. A token that is no
// user's has keys of its own.
func nameOf(p auth.Principal, key string) string {
	name := p.Name
	if name == "" && p.Token != "" {
		name = "token/" + p.Token // No user has a slash in his name.
	}
	return name + "\x00" + key
}

// maxKey is the most bytes of a key.
const maxKey = 255

var (
	errKeyForm   = errors.New(`it has to be one string in double quotes, such as "8e03978e-40d5-43dd-bc93-6894a57f9324"`)
	errKeyLength = errors.New("it has to have 1 to 255 characters")
)

// readKey reads the field: one Item of RFC 8941 that is a String, without parameters.
func readKey(fields []string) (string, error) {
	text := strings.Trim(fields[0], " \t")
	if len(fields) != 1 || len(text) < 2 || text[0] != '"' {
		return "", errKeyForm
	}
	var key strings.Builder
	for i := 1; i < len(text); i++ {
		c := text[i]
		if c == '"' {
			return key.String(), checkKey(key.Len(), text[i+1:])
		}
		if c == '\\' && i+1 < len(text) && (text[i+1] == '"' || text[i+1] == '\\') {
			i++
			c = text[i]
		} else if c == '\\' || c < ' ' || c > '~' {
			return "", errKeyForm
		}
		key.WriteByte(c)
	}
	return "", errKeyForm
}

// checkKey checks the length of a key, and that nothing stands behind it.
func checkKey(length int, rest string) error {
	switch {
	case rest != "":
		return errKeyForm
	case length == 0 || length > maxKey:
		return errKeyLength
	default:
		return nil
	}
}
