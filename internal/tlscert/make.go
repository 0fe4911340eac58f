package tlscert

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// makeCertificate signs a certificate with its own key and writes it.
func makeCertificate(file string, key *ecdsa.PrivateKey, hosts []string, now time.Time) (*x509.Certificate, error) {
	template := &x509.Certificate{
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(validity),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	template.DNSNames, template.IPAddresses = subjects(hosts)
	template.Subject = pkix.Name{CommonName: "callcontroller", Organization: []string{"self-signed"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make a TLS certificate for %v: %w", hosts, err)
	}
	if err := write(file, "CERTIFICATE", der, 0o644); err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// subjects sorts hosts into names and addresses, each once. An address that stands
// for all addresses is left out.
func subjects(hosts []string) (names []string, addresses []net.IP) {
	all := append(slices.Clone(hosts), "localhost", "127.0.0.1", "::1")
	if name, err := os.Hostname(); err == nil {
		all = append(all, name)
	}
	var seen []netip.Addr
	for _, host := range all {
		host = strings.ToLower(strings.Trim(host, "[]"))
		addr, err := netip.ParseAddr(host)
		addr = addr.Unmap().WithZone("")
		switch {
		case err != nil && host != "" && !slices.Contains(names, host):
			names = append(names, host)
		case err == nil && !addr.IsUnspecified() && !slices.Contains(seen, addr):
			seen = append(seen, addr)
			addresses = append(addresses, addr.AsSlice())
		}
	}
	return names, addresses
}

// write replaces a file in one step, so that a crash leaves the old or the new.
func write(file, blockType string, der []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-*") // with mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	defer os.Remove(f.Name()) // it is gone when all went well
	err = errors.Join(
		pem.Encode(f, &pem.Block{Type: blockType, Bytes: der}),
		f.Chmod(mode),
		f.Sync(),
		f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}
