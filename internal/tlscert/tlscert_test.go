package tlscert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// mustKeep is keep without errors; the certificate it gives has its leaf.
func mustKeep(t *testing.T, dir string, hosts []string, now time.Time) (tls.Certificate, bool) {
	t.Helper()
	cert, made, err := keep(dir, hosts, now)
	if err != nil {
		t.Fatal(err)
	}
	return cert, made
}

func TestMadeOnceAndKept(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	first, made, err := Load("", "", data, []string{"pbx.example.com", "192.0.2.1"})
	if err != nil || !made {
		t.Fatalf("made %t, %v", made, err)
	}
	if key, ok := first.PrivateKey.(*ecdsa.PrivateKey); !ok || key.Curve != elliptic.P256() {
		t.Errorf("the key is a %T", first.PrivateKey)
	}
	second, made, err := Load("", "", data, []string{"other.example.com"})
	if err != nil || made || !first.Leaf.Equal(second.Leaf) {
		t.Errorf("the second start made another: %t, %v", made, err)
	}
	for name, want := range map[string]os.FileMode{".": 0o700, "key.pem": 0o600, "cert.pem": 0o644} {
		info, err := os.Stat(filepath.Join(data, "tls", name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if entries, err := os.ReadDir(filepath.Join(data, "tls")); err != nil || len(entries) != 2 {
		t.Errorf("left over: %v, %v", entries, err)
	}
}

func TestHosts(t *testing.T) {
	hosts := []string{"PBX.example.com", "pbx.example.com", "192.0.2.1", "::ffff:192.0.2.1", "[2001:db8::1]", "0.0.0.0", "::", "", "localhost"}
	cert, _ := mustKeep(t, t.TempDir(), hosts, time.Now())
	want := []string{"pbx.example.com", "192.0.2.1", "2001:db8::1", "localhost", "127.0.0.1", "::1"}
	if name, err := os.Hostname(); err == nil {
		want = append(want, name)
	}
	for _, host := range want {
		if err := cert.Leaf.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	if len(cert.Leaf.IPAddresses) != 4 || len(cert.Leaf.DNSNames) > 3 {
		t.Errorf("doubled: %v %v", cert.Leaf.IPAddresses, cert.Leaf.DNSNames)
	}
}

func TestRenewedWithTheSameKey(t *testing.T) {
	dir, start := t.TempDir(), time.Now()
	first, _ := mustKeep(t, dir, nil, start)
	if _, made := mustKeep(t, dir, nil, first.Leaf.NotAfter.Add(-renewBefore-time.Minute)); made {
		t.Error("renewed too early")
	}
	later := first.Leaf.NotAfter.Add(-renewBefore + time.Minute)
	second, made := mustKeep(t, dir, nil, later)
	if !made || !second.Leaf.NotAfter.After(first.Leaf.NotAfter) {
		t.Errorf("not renewed: %t, until %s", made, second.Leaf.NotAfter)
	}
	if !second.PrivateKey.(*ecdsa.PrivateKey).Equal(first.PrivateKey) {
		t.Error("another key")
	}
}

func TestClientThatTrustsTheCertificate(t *testing.T) {
	cert, _ := mustKeep(t, t.TempDir(), nil, time.Now())
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	server.StartTLS()
	t.Cleanup(server.Close)
	pool := x509.NewCertPool()
	pool.AddCert(cert.Leaf)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	t.Cleanup(client.CloseIdleConnections)
	response, err := client.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
}

func TestGivenFiles(t *testing.T) {
	data := t.TempDir()
	made, _ := mustKeep(t, filepath.Join(data, "tls"), nil, time.Now())
	certFile, keyFile := filepath.Join(data, "tls", "cert.pem"), filepath.Join(data, "tls", "key.pem")
	cert, isMade, err := Load(certFile, keyFile, "", nil)
	if err != nil || isMade || !cert.Leaf.Equal(made.Leaf) {
		t.Errorf("%t, %v", isMade, err)
	}
	for _, files := range [][2]string{{certFile, "missing"}, {"missing", keyFile}, {keyFile, keyFile}, {certFile, ""}, {certFile, certFile}} {
		_, _, err := Load(files[0], files[1], data, nil)
		if err == nil || !strings.Contains(err.Error(), files[0]) || !strings.Contains(err.Error(), files[1]) {
			t.Errorf("%v: %v", files, err)
		}
	}
}

// What is wrong is named and left as it is.
func TestCorruptFilesAreNamed(t *testing.T) {
	for _, tt := range []struct {
		file, text, want string
	}{
		{"cert.pem", "", "cert.pem is corrupt: it has no CERTIFICATE in PEM form"},
		{"cert.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cert.pem is corrupt: x509: malformed certificate"},
		{"key.pem", "geheim", "key.pem is corrupt: it has no PRIVATE KEY in PEM form"},
		{"key.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "key.pem is corrupt: "},
	} {
		dir := t.TempDir()
		mustKeep(t, dir, nil, time.Now())
		file := filepath.Join(dir, tt.file)
		if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := keep(dir, nil, time.Now())
		if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s %q: %v", tt.file, tt.text, err)
		}
		if text, err := os.ReadFile(file); err != nil || string(text) != tt.text {
			t.Errorf("the file was changed: %q, %v", text, err)
		}
	}
}

func TestCertificateOfAnotherKey(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	mustKeep(t, dir, nil, time.Now())
	mustKeep(t, other, nil, time.Now())
	if err := os.Rename(filepath.Join(other, "key.pem"), filepath.Join(dir, "key.pem")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := keep(dir, nil, time.Now()); err == nil || !strings.Contains(err.Error(), "is not of the key") {
		t.Error(err)
	}
}

// After a crash between the two files the next start goes on with the key.
func TestKeyWithoutCertificate(t *testing.T) {
	dir := t.TempDir()
	first, _ := mustKeep(t, dir, nil, time.Now())
	if err := os.Remove(filepath.Join(dir, "cert.pem")); err != nil {
		t.Fatal(err)
	}
	second, made := mustKeep(t, dir, nil, time.Now())
	if !made || !second.PrivateKey.(*ecdsa.PrivateKey).Equal(first.PrivateKey) {
		t.Error("another key, or none made")
	}
}

func TestDirectoryThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load("", "", file, nil); err == nil || !strings.Contains(err.Error(), file) {
		t.Error(err)
	}
}
