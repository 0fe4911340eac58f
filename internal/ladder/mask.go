package ladder

import (
	"regexp"
	"strings"
	"unicode"

	"callcontroller/internal/rfc7616"
	"callcontroller/internal/secret"
	"callcontroller/internal/sip"
)

// shown writes a message that was read, and its first line, for people: each field on one
// line, secrets and bodies of unknown kind as secret.Mask.
func shown(m *sip.Message) (startLine, text string) {
	line, _, _ := strings.Cut(m.Raw(), "\n")
	startLine = clean(maskURIs(strings.TrimSuffix(line, "\r")))
	var b strings.Builder
	b.WriteString(startLine + "\r\n")
	for _, f := range m.Fields {
		b.WriteString(clean(f.Name+": "+shownValue(f.Name, f.Value)) + "\r\n")
	}
	b.WriteString("\r\n" + shownBody(m))
	return startLine, b.String()
}

// shownValue masks what is secret in the value of a field.
func shownValue(name, value string) string {
	if strings.ContainsRune(value, '\r') {
		return secret.Mask // Somebody may see the end of a line there, and then another field.
	}
	switch strings.ToLower(name) {
	case "authorization", "proxy-authorization":
		return shownCredentials(value)
	case "authentication-info", "proxy-authentication-info": // They prove that the server knows the password.
		return shownParams(value)
	case confPIN:
		return secret.Mask
	default:
		return maskURIs(value)
	}
}

// confPIN is the field with the PIN of a conference of sipXecs.
const confPIN = "x-confpin"

// isSecret tells the fields that are not shown when they stand in a URI.
func isSecret(name string) bool {
	switch strings.ToLower(name) {
	case confPIN, "authorization", "proxy-authorization":
		return true
	default:
		return false
	}
}

// shownCredentials keeps the scheme, and of Digest what tells whose credentials for what
// they are.
func shownCredentials(value string) string {
	scheme, rest, _ := strings.Cut(value, " ")
	switch {
	case strings.EqualFold(scheme, "Digest"):
		return scheme + " " + shownParams(rest)
	case strings.EqualFold(scheme, "Basic"), strings.EqualFold(scheme, "Bearer"):
		return scheme + " " + secret.Mask
	default:
		return secret.Mask
	}
}

// harmless are the parameters of Digest that are shown. The nonce is no secret: whoever
// asks is told one.
var harmless = map[string]bool{
	"username": true, "realm": true, "nonce": true, "nextnonce": true, "uri": true, "algorithm": true, "qop": true, "nc": true, "opaque": true,
}

// shownParams masks all others, and all from where the list cannot be read.
func shownParams(list string) string {
	var b []byte
	for p := rfc7616.NewParams(list); ; {
		name, value, err := p.Next()
		if len(b) > 0 && (err != nil || name != "") {
			b = append(b, ", "...)
		}
		switch {
		case err != nil:
			return string(b) + secret.Mask
		case name == "":
			return string(b)
		case !harmless[strings.ToLower(name)]:
			b = append(b, name+"="+secret.Mask...)
		default:
			b = append(b, name+"="+sip.Quote(maskURIs(value))...)
		}
	}
}

var (
	// password is that of a SIP URI (RFC 3261 section 19.1.1), or of a URL.
	password = regexp.MustCompile(`(?i)(sips?:[^\s<>"@:]*:|://[^\s<>"@:/]*:)[^\s<>"@]*@`)
	// uriHeader is a name with its value behind the "?" of a SIP URI.
	uriHeader = regexp.MustCompile(`([?&])([^?&=\s<>"]*)=[^?&\s<>"]*`)
)

// maskURIs masks passwords, and secret fields, in the URIs of a text.
func maskURIs(text string) string {
	if strings.Contains(text, "@") {
		text = password.ReplaceAllString(text, "${1}"+secret.Mask+"@")
	}
	if !strings.Contains(text, "?") {
		return text
	}
	return uriHeader.ReplaceAllStringFunc(text, func(header string) string {
		name, _, _ := strings.Cut(header, "=")
		if isSecret(sip.Unescape(name[1:])) {
			return name + "=" + secret.Mask
		}
		return header
	})
}

// clean makes one line of a text that a terminal takes for nothing but text.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(text, "\uFFFD"))
}
