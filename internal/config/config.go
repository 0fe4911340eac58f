// Package config owns the configuration: one struct, its defaults, and how it is
// put together from them, a YAML file, the environment and the command line, each
// of which overrides those before it. It reports all mistakes at once, each with
// its place, and never prints a secret. It opens no port and reads nothing but the
// files that the configuration names. It starts no goroutine and keeps no state.
//
// A key such as sip.account.username is a nested mapping in YAML, the variable
// CALLCONTROLLER_SIP_ACCOUNT_USERNAME in the environment, where a list is separated
// by commas, and the same key on the command line. A relative path in the file
// starts at the folder of the file, any other at the working directory.
package config

import (
	"cmp"
	"log/slog"
	"net/netip"
	"path/filepath"
	"time"

	"callcontroller/internal/config/source"
	"callcontroller/internal/directory"
	"callcontroller/internal/rfc7616"
	"callcontroller/internal/secret"
	"callcontroller/internal/sip"
)

// Fault is one mistake in the configuration.
type Fault = source.Fault

// Faults is all of them, an error when it is not empty.
type Faults = source.Faults //nolint:errname // a list of faults, which is an error only when it is not empty

// Config is all that can be configured. It is read-only once it is loaded.
type Config struct {
	SIP      SIP
	Media    Media
	Log      Log
	HTTP     HTTP
	Users    Users
	Tokens   Tokens
	Policy   Policy
	Refer    Refer
	Compat   Compat
	Limits   Limits
	Drain    Drain
	Audit    Audit
	Journal  Journal
	Webhooks Webhooks

	// Data is the directory for what must outlive the process: the self-signed
	// certificate, the journal. Default "data".
	Data string

	places       map[string][]source.Place // where the value of a key, or each value of a list, was written
	withoutUsers bool
	name         string // of the file, for faults that have no other place
	notes        []string
}

// SIP is the side of the phones.
type SIP struct {
	Domain    string        // sip.domain: host that completes a bare name to name@domain; required
	Proxy     sip.URI       // sip.proxy: the next hop of all requests; may have ;transport=tcp or udp; default none: DNS of the domain
	Listen    []Listen      // sip.listen: udp://HOST:PORT and tcp://HOST:PORT; default both on 0.0.0.0:5060
	Advertise HostPort      // sip.advertise: for Via and Contact; default none: the address of the interface that routes to the proxy
	Account   Account       // sip.account: the server's own, for users that have no SIP credentials; default none
	Realm     string        // sip.realm: the realm that SIP credentials answer, no other, and that HTTP asks in; default: sip.domain
	KeepAlive time.Duration // sip.keepalive: how often both phones of a call in INVITE mode are asked, by OPTIONS, whether they are there; default 60 s, 0 for never
	// SessionExpires is sip.session_expires: the session interval that calls in INVITE
	// mode ask for (RFC 4028), at least 90 s; default 30 min, 0 for none.
	SessionExpires time.Duration
	// Automatic is sip.automatic: users who answer without ringing, such as conferences;
	// a "*" at the end stands for any rest; default none.
	Automatic []string
	Sipx      bool // sip.sipx: put the sipXecs URI parameters on the first INVITE; default false
	// StrictSource is sip.strict_source: what belongs to a call is taken only from the
	// address to which that call's own messages go; default false.
	StrictSource bool
}

// Account is a SIP account for digest challenges. Both fields are set, or neither.
type Account struct {
	Username string      // sip.account.username
	Password secret.Text // sip.account.password; refused on the command line, where everybody on the machine can read it
}

// Media is the sink that is offered to the calling party while it waits.
type Media struct {
	Port int // media.port: its UDP port, 0 to 65535; default 0: the system picks one
}

// Log is the log on standard error.
type Log struct {
	Level  slog.Level // log.level: debug, info, warn, error; default info
	Format LogFormat  // log.format: json, text; default "": text on a terminal, else json
}

// LogFormat is the form of a log line.
type LogFormat string

// The log formats. LogAuto lets the terminal decide.
const (
	LogAuto LogFormat = ""
	LogJSON LogFormat = "json"
	LogText LogFormat = "text"
)

// HTTP is the side of the clients.
type HTTP struct {
	Listen  []Listen       // http.listen: http://HOST:PORT and https://HOST:PORT; default https://0.0.0.0:6666 and http://127.0.0.1:6667
	Trusted []netip.Prefix // http.trusted: networks whose TCP peers need no password, as CIDR or address; default nobody
	TLS     TLS
	// Digest is http.digest: the algorithms that HTTP Digest offers, in this order;
	// default SHA-256 and MD5, none for no Digest.
	Digest        []rfc7616.Hash
	DigestLegacy  bool          // http.digest_legacy: also take answers without qop (RFC 2069), each nonce once; default false
	LoginFailures int           // http.login_failures: failed log-ins an hour of one source, and with one name, a third of them at once; default 60, 0 for no bound
	MaxTimeout    time.Duration // http.max_timeout: upper bound of the parameter timeout; default 3600 s

	Proxies []netip.Prefix // http.proxies: reverse proxies, whose X-Forwarded-For and X-Forwarded-Proto are believed; default none
	Origins []string       // http.origins: SCHEME://HOST[:PORT] of web pages that may send requests besides our own; default none

	Connections           int // http.connections: most connections at once of each listener; default 4096
	ConnectionsPerAddress int // http.connections_per_address: most of them of one address; http.proxies are not counted; default 256
}

// TLS names PEM files. Both are set, or neither: then a self-signed certificate is made.
type TLS struct {
	Cert string // http.tls.cert: the certificate and what leads from it to the root; default none
	Key  string // http.tls.key: its key; default none
}

// Users says where users come from: "users: {file: PATH}" names a file of its own,
// "users: [...]" is a list of users in its place, in the same form as in that file
// (see package directory/file). Default none. Whichever comes later in the order of
// overriding counts, so users.file on the command line replaces a list.
type Users struct {
	File   string           // users.file: path of a YAML file
	Inline []directory.User // users: complete, with their defaults
}

// Tokens is where bearer tokens are kept.
type Tokens struct {
	File string // tokens.file: path of a JSON file, which need not be there; default "": tokens.json in the data directory
}

// Refer is how long and as whom a call in REFER mode is followed.
type Refer struct {
	Delay         time.Duration // refer.delay: from the ACK to the REFER when both pass a proxy, which could swap them; default 50 ms, 0 for none
	NotifyTimeout time.Duration // refer.notify_timeout: from the accepted REFER to the first NOTIFY; default 32 s (RFC 6665, Timer N)
	Limit         time.Duration // refer.limit: from the accepted REFER to the final sipfrag; default 180 s
	Fallback      Fallback      // refer.fallback: what becomes of a call whose phone refuses the REFER for good, invite or off; default invite
	ReferredBy    Party         // refer.referred_by: who stands in Referred-By, agent or caller; default agent
}

// Fallback is what becomes of a call whose calling party's phone cannot be referred.
type Fallback string

// The fallbacks: the call goes on in INVITE mode, or fails.
const (
	FallbackInvite Fallback = "invite"
	FallbackOff    Fallback = "off"
)

// Compat is what only some old clients want.
type Compat struct {
	FirstRow bool // compat.first_row: a row "SIP/2.0 100 Trying" of our own stands before POST returns; default true
}

// Party is one of those who take part in a call.
type Party string

// The parties that can stand in Referred-By.
const (
	Agent  Party = "agent"
	Caller Party = "caller"
)

// Limits bound what the server holds.
type Limits struct {
	Calls int // limits.calls: most calls at once; default 10000
	Rows  int // limits.rows: most status rows of a call; default 100
	Rate  int // limits.rate: most new calls a second, of all users; default 0, no limit
	// Duration is limits.duration: how long the parties of a call in INVITE mode may
	// talk until it is hung up; default 0, for ever.
	Duration time.Duration
}

// Audit is the record of who called whom.
type Audit struct {
	Enabled bool   // audit.enabled: whether it is written; default true
	File    string // audit.file: path of a file of JSON lines; default "": audit.jsonl in the data directory
}

// Journal is the log of what becomes of calls.
type Journal struct {
	Enabled  bool          // journal.enabled: whether it is kept; default true
	MaxAge   time.Duration // journal.max_age: how long what is over is kept; default 7 days
	MaxBytes int           // journal.max_bytes: how much of the disk it takes; default 4 GiB
	Required bool          // journal.required: whether new calls are refused while it cannot be written; default true
	// NATS are journal.nats: URLs nats://HOST[:PORT] or tls://HOST[:PORT] of the servers on which
	// it is kept; default none: in this process, in the data directory.
	NATS            []string
	Node            string      // journal.node: this server's name among those that keep their journals there; default "1"
	Replicas        int         // journal.replicas: on how many of the servers each entry is; default 1
	NATSUser        string      // journal.nats_user: how to log in there, with NATSPassword, or
	NATSPassword    secret.Text // journal.nats_password
	NATSToken       secret.Text // journal.nats_token: with a token, or
	NATSCredentials string      // journal.nats_credentials: with a credentials file of NATS; default none
	NATSCA          string      // journal.nats_ca: file of the certificates that sign those of the servers; default: the system's
}

// Drain is the end of the server.
type Drain struct {
	Limit time.Duration // drain.limit: from SIGTERM until the calls that still run are hung up; default 30 s
}

// Default is the configuration when nothing is configured. It lacks sip.domain.
func Default() Config {
	return Config{
		SIP: SIP{KeepAlive: time.Minute, SessionExpires: 30 * time.Minute, Listen: []Listen{{"udp", "0.0.0.0", 5060}, {"tcp", "0.0.0.0", 5060}}},
		Log: Log{Level: slog.LevelInfo},
		HTTP: HTTP{
			Listen:        []Listen{{"https", "0.0.0.0", 6666}, {"http", "127.0.0.1", 6667}},
			Digest:        []rfc7616.Hash{rfc7616.SHA256, rfc7616.MD5},
			LoginFailures: 60,
			MaxTimeout:    time.Hour,
			Connections:   4096, ConnectionsPerAddress: 256,
		},
		Data:    "data",
		Compat:  Compat{FirstRow: true},
		Refer:   Refer{Delay: 50 * time.Millisecond, NotifyTimeout: 32 * time.Second, Limit: 180 * time.Second, Fallback: FallbackInvite, ReferredBy: Agent},
		Limits:  Limits{Calls: 10_000, Rows: 100},
		Drain:   Drain{Limit: 30 * time.Second},
		Audit:   Audit{Enabled: true},
		Journal: Journal{Enabled: true, MaxAge: 7 * 24 * time.Hour, MaxBytes: 4 << 30, Required: true, Node: "1", Replicas: 1},
	}
}

// TokensFile is the path of the file of tokens.
func (c *Config) TokensFile() string {
	return cmp.Or(c.Tokens.File, filepath.Join(c.Data, "tokens.json"))
}

// Notes are sentences about a loaded configuration that belong in the log: its file
// holds secrets and can be read by others.
func (c *Config) Notes() []string { return c.notes }
