//! Bundles of policies: what they own, and who signed them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use pillion_host::identity::{ActorClaims, Claims, KeyPair};
use pillion_host::manifest::{Manifest, Running};
use pillion_host::policy::{Authorizer, Decision, Invocation, Opa, OpaError, PolicyKey, SignatureAlgorithm};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use ring::{digest, hmac};
use serde_json::json;
use tempfile::TempDir;

use crate::guests::{Author, caps, saying};

const POLICY: &str = "package pillion

default can_load := true

can_invoke if input.invocation.operation in data.pillion.allowed.operations
";

const DATA: &str = "{ \"operations\": [\"Get\"],\n  \"limit\": 1.50 }\n";

const MANIFEST: &str = "{\"roots\": [\"pillion\"], \"revision\": \"1\"}\n";

/// A public key by which OpenSSL signed [`TOKEN`], whose other half is in nobody's hands.
const RSA: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAtMBgT6mFXlLx5N/M/UyE
tkBsf29YoiC3XeCPBSg59Kqbx3L9YgtKWnDqT3B+9gHHs+uCJFNyeBeU9rbfLSp5
RCtTw4i97RBmVyOeRZtdqjHEVMXWrP3xrWKlPqVbJ0UOZME6CRCtY12Ml/YdT9m2
7QqYvZSdaxFQpWcIJy2R5JxcML98mac43qhs9QoTCwL+NMf1APzBsQj6UUKBk2QG
I5fH8OsNac8lAPGptuH9577AhCpMZnaRE23r9b2imnAyrcLNEXxd6SyRX4miuvDW
ziDEaYKwiWW9wOdenIrnIEc5Yjuf5XMPjE+eySm89G40pZejhitW96N6osFrOCY6
pwIDAQAB
-----END PUBLIC KEY-----
";

/// What the three files above were signed by, for the scope `read`; its hashes were made by Python.
const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6InJzYSJ9.eyJmaWxlcyI6W3sibmFtZSI6InBpbGxpb24vcGlsbGl\
    vbi5yZWdvIiwiaGFzaCI6ImFhYjVhM2U0ZGEwOTAwMzk4MmM1N2FiZmEzNzMzYzNmNzVlMzI0YmU3YWIyZjUxOWFmNjIzYjd\
    kYmI3NTM1ZmEiLCJhbGdvcml0aG0iOiJTSEEtMjU2In0seyJuYW1lIjoicGlsbGlvbi9hbGxvd2VkL2RhdGEuanNvbiIsImh\
    hc2giOiI1ZTI5YWFlY2IwMWY2MDdlZTMxZmQ0ZTc5YTZjOTllYTY1NDYyNjIzMGVlNmFhOTdlYTE3MTgyOGI3YzU0M2VkIiw\
    iYWxnb3JpdGhtIjoiU0hBLTI1NiJ9LHsibmFtZSI6Ii5tYW5pZmVzdCIsImhhc2giOiI3YjM3ZmI2ZmQ1N2U4NTYyYjMzZGU\
    xYjExODZmMWJkYjQ5YmNmNzI0OWE2MzM5NDgwZTFjNTVmODZlNTZmZWFjIiwiYWxnb3JpdGhtIjoiU0hBLTI1NiJ9XSwiaXN\
    zIjoidGVzdCIsInNjb3BlIjoicmVhZCJ9.bYNR39F_yMV4vLP42AxOnueyr9B1vCkEFIjHtXusP-jPYvc9g7-JprwC1mj2ba\
    KAyqIOAj9PSJLBc7yoY4R8BcczwU5FrkwoCDGxssAHM-NViR8qM0hoYxAJvv7c1AHhiODusHXiNOueUWXdax5rCY6o3WUxcW\
    mWDxp089qgmzXOBwdn690-wg-P4Hsgnkud_nzEUc6V-AlkLq7P13kX3DT-loOakCYNpAUnkWL0w5eD9aqryb7bl0CCqrAAEC\
    O65VcZxKx3FNvLrZue4KgteMj1f10di2OPbzekMDhytr1vUe5ib29h53vhSnadvHtx5JybWw1Fj3c2QmItbxdizw";

const RSA_ID: &str = "rsa";

/// A folder with bundles.
struct Bundles(TempDir);

/// A bundle before it is packed.
#[derive(Clone)]
struct Bundle(BTreeMap<String, String>);

// === impl Bundles ===

impl Bundles {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn pack(&self, name: &str, bundle: &Bundle) -> PathBuf {
        let path = self.path(name);
        let file = fs::File::create(&path).expect("a file");
        let mut packed = tar::Builder::new(flate2::write::GzEncoder::new(file, flate2::Compression::fast()));
        for (name, text) in &bundle.0 {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            // As `opa build` writes them.
            packed.append_data(&mut header, format!("./{name}"), text.as_bytes()).expect("added");
        }
        packed.into_inner().expect("finished").finish().expect("finished");
        path
    }

    fn unpacked(&self, name: &str, bundle: &Bundle) -> PathBuf {
        for (file, text) in &bundle.0 {
            let path = self.path(name).join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, text).expect("written");
        }
        self.path(name)
    }
}

// === impl Bundle ===

impl Bundle {
    fn of(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
    }

    /// The files that [`TOKEN`] is about.
    fn three() -> Self {
        Self::of(&[
            (".manifest", MANIFEST),
            ("pillion/pillion.rego", POLICY),
            ("pillion/allowed/data.json", DATA),
        ])
    }

    fn with(mut self, name: &str, text: &str) -> Self {
        self.0.insert(name.to_owned(), text.to_owned());
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.0.remove(name).expect(name);
        self
    }

    fn signed(self, token: &str) -> Self {
        let signatures = json!({"signatures": [token]}).to_string();
        self.with(".signatures.json", &signatures)
    }
}

fn hash(text: &str) -> String {
    HEXLOWER.encode(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

/// What is signed of [`Bundle::three`].
fn payload() -> serde_json::Value {
    let file =
        |name: &str, canonical: &str| json!({"name": name, "hash": hash(canonical), "algorithm": "SHA-256"});
    json!({
        "files": [
            file("pillion/pillion.rego", POLICY),
            file("pillion/allowed/data.json", "{\"limit\":1.50,\"operations\":[\"Get\"]}"),
            file(".manifest", "{\"revision\":\"1\",\"roots\":[\"pillion\"]}"),
        ],
    })
}

fn token(header: &serde_json::Value, payload: &serde_json::Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &serde_json::Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let message = format!("{}.{}", part(header), part(payload));
    let signature = BASE64URL_NOPAD.encode(&sign(message.as_bytes()));
    format!("{message}.{signature}")
}

/// Signed by a secret.
fn by_secret(secret: &[u8], id: &str, payload: &serde_json::Value) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let header = json!({"alg": "HS256", "typ": "JWT", "kid": id});
    token(&header, payload, |message| hmac::sign(&key, message).as_ref().to_vec())
}

fn secret(secret: &[u8], scope: &str) -> PolicyKey {
    PolicyKey::new("shared", SignatureAlgorithm::Hs256, secret, scope).expect("a key")
}

fn rsa() -> PolicyKey {
    PolicyKey::new(RSA_ID, SignatureAlgorithm::Rs256, RSA.as_bytes(), "read").expect("a key")
}

fn taken(path: &Path, keys: &[PolicyKey]) -> Result<Opa, String> {
    Opa::from_signed_paths(&[path.to_owned()], keys).map_err(|error| error.to_string())
}

fn allows(opa: &Opa, operation: &str) -> bool {
    let claims = Claims::new(&KeyPair::new_account(), &KeyPair::new_module(), ActorClaims::default());
    let invocation = Invocation { binding: "", namespace: "wascc:keyvalue", operation };
    opa.can_invoke(&claims, &invocation) == Decision::Allow
}

#[test]
fn a_bundle_that_others_signed_is_taken() {
    let bundles = Bundles::new();
    let signed = Bundle::three().signed(TOKEN);
    for path in [bundles.pack("bundle.tar.gz", &signed), bundles.unpacked("folder", &signed)] {
        let opa = taken(&path, &[secret(b"another", ""), rsa()]).expect("it is signed");
        assert!(allows(&opa, "Get") && !allows(&opa, "Set"));
    }
    // White space and the order of keys in data are nobody's business.
    let relaid = signed.with("pillion/allowed/data.json", "{\"limit\":1.50,\n\n\"operations\":[ \"Get\" ]}");
    taken(&bundles.pack("relaid.tar.gz", &relaid), &[rsa()]).expect("it is the same data");
    let other = relaid.with("pillion/allowed/data.json", "{\"limit\":1.5,\"operations\":[\"Get\"]}");
    taken(&bundles.pack("other.tar.gz", &other), &[rsa()]).expect_err("its number is written otherwise");
}

#[test]
fn a_bundle_is_signed_by_a_curve_or_by_a_shared_secret() {
    let bundles = Bundles::new();
    let random = SystemRandom::new();
    let private = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private.as_ref(), &random);
    let pair = pair.expect("a key");
    // The info about a public key of that curve, as RFC 5480 has it.
    let mut info =
        HEXLOWER.decode(b"3059301306072a8648ce3d020106082a8648ce3d030107034200").expect("hexadecimal");
    info.extend_from_slice(pair.public_key().as_ref());
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", wrapped(&info));
    let curve = PolicyKey::new("curve", SignatureAlgorithm::Es256, pem.as_bytes(), "").expect("a key");
    // Its key's name may be missing where there is one key, or be in the elder place.
    let mut payload = payload();
    for (header, keyid) in [(json!({"alg": "ES256"}), ""), (json!({"alg": "ES256"}), "curve")] {
        payload["keyid"] = json!(keyid);
        let by_curve = token(&header, &payload, |message| {
            pair.sign(&random, message).expect("signed").as_ref().to_vec()
        });
        let path = bundles.pack("curve.tar.gz", &Bundle::three().signed(&by_curve));
        taken(&path, std::slice::from_ref(&curve)).expect("it is signed");
        let unsure = taken(&path, &[curve.clone(), rsa()]);
        assert_eq!(unsure.is_ok(), !keyid.is_empty(), "of two keys, one has to be named");
    }
    let by_secret = by_secret(b"between us", "shared", &payload);
    let path = bundles.pack("secret.tar.gz", &Bundle::three().signed(&by_secret));
    taken(&path, &[secret(b"between us", "")]).expect("it is signed");
    let error = taken(&path, &[secret(b"another", "")]).expect_err("by another secret");
    assert!(error.contains("its signature is not that of the key \"shared\""), "{error}");
    let debug = format!("{:?}", secret(b"between us", ""));
    assert!(debug.contains("shared") && !debug.contains("between") && !debug.contains("98, 101"), "{debug}");
}

fn wrapped(der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    lines.join("\n")
}

#[test]
fn what_is_not_as_it_was_signed_is_refused_by_name() {
    let bundles = Bundles::new();
    let signed = Bundle::three().signed(TOKEN);
    let mut parts: Vec<_> = TOKEN.split('.').map(str::to_owned).collect();
    let header =
        |alg: &str, id: &str| BASE64URL_NOPAD.encode(json!({"alg": alg, "kid": id}).to_string().as_bytes());
    let tampered = {
        let payload = BASE64URL_NOPAD.decode(parts[1].as_bytes()).expect("base64");
        let payload = String::from_utf8(payload).expect("text").replace("\"test\"", "\"mine\"");
        format!("{}.{}.{}", parts[0], BASE64URL_NOPAD.encode(payload.as_bytes()), parts[2])
    };
    parts[0] = header("RS256", "nobody");
    let by_nobody = parts.join(".");
    parts[0] = header("none", RSA_ID);
    let by_none = format!("{}.{}.", parts[0], parts[1]);
    // The public key, which everybody may know, as if it were a secret.
    let confused = by_secret(RSA.as_bytes(), RSA_ID, &json!({"files": [], "scope": "read"}));
    for (bundle, expected) in [
        (
            signed.clone().with("pillion/pillion.rego", &POLICY.replace("in data", "in  data")),
            "the file pillion/pillion.rego is not the one that was signed",
        ),
        (signed.clone().with(".manifest", "{\"roots\": [\"\"]}"), "the file .manifest is not the one"),
        (
            signed.clone().with("pillion/other.rego", "package pillion.other"),
            "pillion/other.rego is not in the signature",
        ),
        (signed.clone().with("README.md", "any"), "the file README.md is not in the signature"),
        (
            signed.clone().without("pillion/allowed/data.json"),
            "the file pillion/allowed/data.json is in the signature, and not in the bundle",
        ),
        (signed.clone().without(".signatures.json"), "it is not signed: it has no .signatures.json"),
        (signed.clone().signed(&tampered), "its signature is not that of the key \"rsa\""),
        (
            signed.clone().signed(&by_nobody),
            "it is signed by the key \"nobody\", which is not known; there are [\"rsa\"]",
        ),
        (signed.clone().signed(&by_none), "it is signed by \"none\", and the key \"rsa\" is for RS256"),
        (signed.clone().signed(&confused), "it is signed by \"HS256\", and the key \"rsa\" is for RS256"),
        (signed.clone().signed("no.token"), ".signatures.json: its signature is no JSON Web Token"),
        (signed.clone().signed("?.?.?"), ".signatures.json: "),
        (
            signed.clone().with(".signatures.json", "{\"signatures\": []}"),
            ".signatures.json: it has 0 signatures",
        ),
        (signed.clone().with(".signatures.json", "["), ".signatures.json: "),
        (
            signed.clone().with(".signatures.json", "{\"signatures\": [\"\"], \"plugin\": \"mine\"}"),
            "it is for the plugin \"mine\", which is not there",
        ),
    ] {
        for path in [bundles.pack("bundle.tar.gz", &bundle), bundles.unpacked("folder", &bundle)] {
            let error = taken(&path, &[rsa()]).expect_err(expected);
            assert!(error.contains(expected) && error.contains(&path.display().to_string()), "{error}");
        }
        fs::remove_dir_all(bundles.path("folder")).expect("removed");
    }

    let refused = |payload: &serde_json::Value, expected: &str| {
        let bundle = Bundle::three().signed(&by_secret(b"s", "shared", payload));
        let error =
            taken(&bundles.pack("bundle.tar.gz", &bundle), &[secret(b"s", "write")]).expect_err(expected);
        assert!(error.contains(expected), "{error}");
    };
    refused(&payload(), "it is signed for the scope \"\", and the key \"shared\" is for \"write\"");
    let mut scoped = payload();
    scoped["scope"] = json!("write");
    let taken_now = Bundle::three().signed(&by_secret(b"s", "shared", &scoped));
    taken(&bundles.pack("bundle.tar.gz", &taken_now), &[secret(b"s", "write")])
        .expect("it is signed for that");
    let mut twice = scoped.clone();
    twice["files"][1]["name"] = json!("/pillion/pillion.rego");
    refused(&twice, "/pillion/pillion.rego is in the signature twice");
    scoped["files"][0]["algorithm"] = json!("MD5");
    refused(&scoped, "the hash of pillion/pillion.rego is by \"MD5\", which is not taken");
}

#[test]
fn with_a_key_nothing_unsigned_is_taken_and_without_one_nothing_signed() {
    let bundles = Bundles::new();
    let signed = bundles.pack("signed.tar.gz", &Bundle::three().signed(TOKEN));
    let error = Opa::from_paths(&[signed]).expect_err("nobody can tell");
    assert!(
        matches!(error, OpaError::Unverified { .. }) && error.to_string().contains("policyKeys"),
        "{error}"
    );
    let file = bundles.path("pillion.rego");
    fs::write(&file, POLICY).expect("written");
    let error = taken(&file, &[rsa()]).expect_err("it is not signed");
    assert!(error.contains("a file by itself has no signature"), "{error}");
    let folder = bundles.unpacked("folder", &Bundle::of(&[("pillion.rego", POLICY)]));
    let error = taken(&folder, &[rsa()]).expect_err("it is not signed");
    assert!(error.contains("folder is refused: it is not signed"), "{error}");
}

#[test]
fn a_key_that_is_none_is_refused() {
    let curve =
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n";
    for (algorithm, key, expected) in [
        (SignatureAlgorithm::Rs256, "no PEM", "it is no public key in PEM"),
        (SignatureAlgorithm::Rs256, curve, "it is no public key in PEM"),
        (SignatureAlgorithm::Es256, RSA, "it is a public key of another kind"),
        (SignatureAlgorithm::Hs256, "", "it is empty"),
        (
            SignatureAlgorithm::Rs256,
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "it is a PRIVATE KEY; give the public key",
        ),
    ] {
        let error = PolicyKey::new("mine", algorithm, key.as_bytes(), "").expect_err(expected).to_string();
        assert!(error.starts_with(&format!("the key \"mine\" for {algorithm}")), "{error}");
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_bundle_keeps_to_its_roots_and_shares_them_with_none() {
    let bundles = Bundles::new();
    let manifest = |roots: &str| format!("{{\"roots\": {roots}}}");
    let owning =
        |roots: &str| Bundle::of(&[(".manifest", &manifest(roots)), ("pillion/pillion.rego", POLICY)]);
    let pillion =
        bundles.pack("pillion.tar.gz", &owning("[\"pillion\"]").with("pillion/allowed/data.json", DATA));
    for (bundle, expected) in [
        (
            owning("[\"other\"]"),
            "pillion/pillion.rego: its package \"pillion\" is not below the roots [\"other\"]",
        ),
        (owning("[]"), "its package \"pillion\" is not below the roots []"),
        (owning("[\"pillion/deep\"]"), "its package \"pillion\" is not below"),
        (
            owning("[\"pillion\"]").with("data.json", "{\"pillion\": {\"a\": 1}, \"other\": 1}"),
            "data.json: the data at \"other\" is not below the roots [\"pillion\"]",
        ),
        (
            owning("[\"pillion\", \"a/b\"]").with("a/data.yaml", "{b: {c: 1}, d: 1}"),
            "the data at \"a/d\" is not below",
        ),
        (owning("[\"pillion\", \"pillion/deep\"]"), "its roots \"pillion\" and \"pillion/deep\" overlap"),
        (owning("1"), ".manifest: "),
        (
            Bundle::of(&[
                ("pillion.rego", "package pillion[\"a/b\"]"),
                (".manifest", &manifest("[\"pillion/a\"]")),
            ]),
            "is not below the roots",
        ),
    ] {
        for path in [bundles.pack("bundle.tar.gz", &bundle), bundles.unpacked("folder", &bundle)] {
            let error = taken(&path, &[]).expect_err(expected);
            assert!(error.contains(expected), "{error}");
        }
        fs::remove_dir_all(bundles.path("folder")).expect("removed");
    }
    let data = |roots: &str, name: &str| bundles.pack(name, &Bundle::of(&[(".manifest", &manifest(roots))]));
    for (roots, owned) in [
        ("[\"other\", \"pillion\"]", "pillion"),
        ("[\"pillion/allowed\"]", "pillion/allowed"),
        ("[\"\"]", "pillion"),
    ] {
        let other = data(roots, "other.tar.gz");
        let error = Opa::from_paths(&[pillion.clone(), other.clone()]).expect_err("both own it");
        assert!(matches!(&error, OpaError::Overlap { root, .. } if root == owned), "{error}");
        let text = error.to_string();
        assert!(text.contains("pillion.tar.gz") && text.contains("other.tar.gz"), "{text}");
    }
    let bare = bundles.pack("bare.tar.gz", &Bundle::of(&[("any/data.json", "{}")]));
    Opa::from_paths(&[pillion.clone(), bare]).expect_err("without a manifest it owns everything");
    // A name that begins alike is another.
    let beside =
        Bundle::of(&[(".manifest", &manifest("[\"pillions\"]")), ("pillions/data.json", "{\"a\": 1}")]);
    let opa = Opa::from_paths(&[pillion, bundles.pack("beside.tar.gz", &beside)]).expect("each has its own");
    assert!(allows(&opa, "Get") && !allows(&opa, "Set"));
}

#[test]
fn a_bundle_with_names_that_lead_out_of_it_or_are_there_twice_is_refused() {
    let bundles = Bundles::new();
    let path = bundles.path("bundle.tar.gz");
    for (names, expected) in [
        (["a/../../x.rego", "b.rego"], "the name leads out of the bundle"),
        (["a.rego", "./a.rego"], "the bundle has two files of that name"),
    ] {
        let file = fs::File::create(&path).expect("a file");
        let mut packed = tar::Builder::new(flate2::write::GzEncoder::new(file, flate2::Compression::fast()));
        for name in names {
            let mut header = tar::Header::new_old();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(POLICY.len() as u64);
            header.set_cksum();
            packed.append(&header, POLICY.as_bytes()).expect("added");
        }
        packed.into_inner().expect("finished").finish().expect("finished");
        let error = taken(&path, &[]).expect_err(expected);
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn signed_policies_are_taken_by_a_manifest_and_its_reload() {
    let bundles = Bundles::new();
    let (author, key) = (Author::new(), KeyPair::new_module());
    fs::write(bundles.path("app.wasm"), author.sign(&key, &saying("1"), caps(&[]))).expect("written");
    fs::write(bundles.path("policy.pem"), RSA).expect("written");
    bundles.pack("bundle.tar.gz", &Bundle::three().signed(TOKEN));
    let text = format!(
        "trustedIssuers: [{}]\npolicies: [bundle.tar.gz]\n\
         policyKeys: [{{id: rsa, file: policy.pem, scope: read}}]\nactors: [{{module: app.wasm}}]",
        author.public_key()
    );
    let parse = |text: &str| Manifest::parse(text, |_| None).expect("a manifest");
    let manifest = parse(&text);
    assert!(manifest.files(Path::new("x")).contains(&PathBuf::from("x/policy.pem")), "it is watched");
    let mut running = Running::start(&manifest, bundles.0.path()).await.expect("it is signed");
    let changes = running.reload(&manifest, bundles.0.path()).await.expect("it is the same");
    assert!(changes.is_empty(), "{changes}");
    bundles
        .pack("bundle.tar.gz", &Bundle::three().with("pillion/more.rego", "package pillion").signed(TOKEN));
    let error =
        running.reload(&manifest, bundles.0.path()).await.expect_err("somebody added to it").to_string();
    assert!(
        error.starts_with("policies: ") && error.contains("pillion/more.rego is not in the signature"),
        "{error}"
    );
    for (from, to, expected) in [
        ("policy.pem", "missing.pem", "policyKeys[0]: "),
        ("policy.pem", "app.wasm", "policyKeys[0]: the key \"rsa\" for RS256 cannot be used"),
        ("scope: read", "algorithm: ES256", "policyKeys[0]: the key \"rsa\" for ES256 cannot be used"),
    ] {
        let wrong = parse(&text.replace(from, to));
        let error = running.reload(&wrong, bundles.0.path()).await.expect_err(expected).to_string();
        assert!(error.starts_with(expected), "{error}");
        let error = Running::check(&wrong, bundles.0.path()).await.expect_err(expected).to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let error = Manifest::parse(&text.replace("scope: read", "algorithm: RS1"), |_| None).expect_err("none");
    assert!(error.to_string().contains("unknown variant `RS1`"), "{error}");
    running.stop().await;
}
