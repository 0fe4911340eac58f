// Package tlscert owns the certificate of the HTTPS side: the one that is
// configured, or one that it makes, signs itself and keeps in the data directory.
// It starts no goroutine and keeps no state but those files.
//
// The key is made once and stays; the certificate is made of it, and made again
// when it is about to expire, so that a client which pins the key goes on. A file
// that cannot be read as what it should be is an error, never replaced in silence.
package tlscert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	validity    = 825 * 24 * time.Hour // the longest that common platforms take
	renewBefore = 30 * 24 * time.Hour
	clockSkew   = time.Hour // of a client whose clock is behind
)

// Load gives the certificate of the two PEM files, or, when both names are empty,
// the one kept as dataDir/tls/cert.pem and key.pem. What is missing there, and a
// certificate that expires within 30 days, is made and written first; made tells
// so. A certificate made here is for the hosts, localhost, 127.0.0.1, ::1 and the
// name of this machine; to change its hosts, delete cert.pem. The error names the
// file that is wrong.
func Load(certFile, keyFile, dataDir string, hosts []string) (cert tls.Certificate, made bool, err error) {
	if certFile == "" && keyFile == "" {
		return keep(filepath.Join(dataDir, "tls"), hosts, time.Now())
	}
	cert, err = tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return tls.Certificate{}, false, fmt.Errorf("load the TLS certificate %q with the key %q: %w", certFile, keyFile, err)
	}
	return cert, false, nil
}

// keep gives the certificate in dir, made if need be.
func keep(dir string, hosts []string, now time.Time) (tls.Certificate, bool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return tls.Certificate{}, false, fmt.Errorf("make the directory of the TLS certificate: %w", err)
	}
	key, err := keepKey(filepath.Join(dir, "key.pem"))
	if err != nil {
		return tls.Certificate{}, false, err
	}
	certFile := filepath.Join(dir, "cert.pem")
	leaf, err := read(certFile, "CERTIFICATE", x509.ParseCertificate)
	made := errors.Is(err, fs.ErrNotExist) || err == nil && now.After(leaf.NotAfter.Add(-renewBefore))
	switch {
	case made:
		leaf, err = makeCertificate(certFile, key, hosts, now)
	case err == nil && !key.PublicKey.Equal(leaf.PublicKey):
		err = fmt.Errorf("%s is not of the key in key.pem beside it; delete the one that is wrong", certFile)
	}
	if err != nil {
		return tls.Certificate{}, false, err
	}
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}, made, nil
}

// keepKey reads the key, or makes it at the first start.
func keepKey(file string) (*ecdsa.PrivateKey, error) {
	key, err := read(file, "PRIVATE KEY", parseKey)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a TLS key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make a TLS key: %w", err)
	}
	return key, write(file, "PRIVATE KEY", der, 0o600)
}

func parseKey(der []byte) (*ecdsa.PrivateKey, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	if ec, ok := key.(*ecdsa.PrivateKey); ok {
		return ec, nil
	}
	return nil, fmt.Errorf("it is a %T, not an ECDSA key", key)
}

// read gives what the one PEM block of a file holds.
func read[T any](file, blockType string, parse func(der []byte) (T, error)) (T, error) {
	var none T
	text, err := os.ReadFile(file)
	if err != nil {
		return none, fmt.Errorf("read the TLS files: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != blockType {
		return none, fmt.Errorf("%s is corrupt: it has no %s in PEM form; delete it to have a new one made", file, blockType)
	}
	v, err := parse(block.Bytes)
	if err != nil {
		return none, fmt.Errorf("%s is corrupt: %w; delete it to have a new one made", file, err)
	}
	return v, nil
}
