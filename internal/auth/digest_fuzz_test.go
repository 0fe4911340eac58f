package auth_test

import (
	"net/http"
	"strings"
	"testing"

	"callcontroller/internal/auth"
	"callcontroller/internal/rfc7616"
)

// FuzzDigestHeader: a header is accepted only if its response is right for a known user,
// for this very target, with a nonce of ours. The reading here is its own. NONCE stands
// for a fresh nonce, and RESPONSE for the response that is right for what else is said.
func FuzzDigestHeader(f *testing.F) {
	const front = `Digest username="201", realm="lab.test", nonce="NONCE", uri="` + target + `", response="RESPONSE"`
	for _, header := range []string{
		front + `, algorithm=SHA-256, qop=auth, nc=00000001, cnonce="c"`,
		front + `, algorithm=MD5-sess, qop="auth", nc=0000000a, cnonce="c\""`,
		front + `, algorithm=MD5`,
		strings.Replace(front, "201", "301", 1) + `, qop=auth, nc=00000001, cnonce="c", userhash=false`,
		strings.Replace(front, "201", "205", 1) + `, qop=auth, nc=00000001, cnonce="c", uri="/"`,
		`Digest username="\`, "Digest ,,,", "Digest a=b,a=b", "Digest username*=UTF-8''201",
	} {
		f.Add(header)
	}
	d := auth.NewDigest(config(digestUsers), both, false)
	f.Fuzz(func(t *testing.T, header string) {
		nonce := parameter(d.Challenge(nil, nil)[0], "nonce")
		header = strings.ReplaceAll(header, "NONCE", nonce)
		right := rightResponse(header)
		header = strings.ReplaceAll(header, "RESPONSE", right)
		r := request(plain, stranger, authorization(header))
		r.RequestURI = target
		got, err := d.Authenticate(r)
		if err != nil {
			return
		}
		said := parameters(header)
		user := digestUsers[said["username"]]
		if user.Name != got.Name || user.Disabled || !strings.HasSuffix(said["uri"], target) || said["nonce"] != nonce || said["response"] != right {
			t.Errorf("%q was accepted as %+v", header, got)
		}
	})
}

func parameters(header string) map[string]string {
	said := map[string]string{}
	_, rest, _ := strings.Cut(header, " ")
	for p := rfc7616.NewParams(rest); ; {
		name, value, err := p.Next()
		if name == "" || err != nil {
			break
		}
		said[strings.ToLower(name)] = value
	}
	if name, ok := strings.CutPrefix(said["username*"], "UTF-8''"); ok {
		said["username"] = name
	}
	return said
}

func rightResponse(header string) string {
	said := parameters(header)
	alg, _ := rfc7616.FindAlgorithm(said["algorithm"])
	pin := "1234" // of which the hashes of digestUsers were made
	if user := digestUsers[said["username"]]; !user.PIN.IsEmpty() {
		pin = user.PIN.Reveal()
	}
	proof := rfc7616.Proof{
		Algorithm: alg, Auth: true, HA1: alg.Hash.HA1(said["username"], "lab.test", pin), Nonce: said["nonce"], NC: said["nc"], CNonce: said["cnonce"],
		Method: http.MethodPost, URI: said["uri"],
	}
	return string(proof.AppendResponse(nil))
}
