import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.MessageDigest;
import java.security.Security;
import java.security.spec.ECGenParameterSpec;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Date;
import java.util.List;
import org.bouncycastle.asn1.ASN1EncodableVector;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.DERSet;
import org.bouncycastle.asn1.cms.Attribute;
import org.bouncycastle.asn1.cms.AttributeTable;
import org.bouncycastle.asn1.ess.ESSCertIDv2;
import org.bouncycastle.asn1.ess.SigningCertificateV2;
import org.bouncycastle.asn1.gm.GMObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaCertStore;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.CMSSignedDataGenerator;
import org.bouncycastle.cms.DefaultSignedAttributeTableGenerator;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.SignerInformationVerifier;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoGeneratorBuilder;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.DigestCalculator;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;
import org.bouncycastle.tsp.TimeStampRequestGenerator;
import org.bouncycastle.tsp.TimeStampToken;
import org.bouncycastle.tsp.TimeStampTokenGenerator;
import org.bouncycastle.util.Selector;

/** What BouncyCastle says of our CMS signatures and tokens, and SM2 signatures and tokens that it makes itself. */
public final class Judge {
    private static final String PROVIDER = "BC";

    private Judge() {}

    public static void main(String[] arguments) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        switch (arguments[0]) {
            case "cms" -> {
                for (int at = 1; at + 1 < arguments.length; at += 2) {
                    System.out.println(judgeSignature(Path.of(arguments[at]), Path.of(arguments[at + 1])));
                }
            }
            case "token" -> System.out.println(judgeToken(Path.of(arguments[1])));
            case "make" -> make(Path.of(arguments[1]));
            default -> throw new IllegalArgumentException(arguments[0]);
        }
    }

    private static String judgeSignature(Path content, Path signature) throws Exception {
        try {
            CMSSignedData signed =
                    new CMSSignedData(new CMSProcessableByteArray(Files.readAllBytes(content)), Files.readAllBytes(signature));
            SignerInformation signer = signed.getSignerInfos().getSigners().iterator().next();
            @SuppressWarnings("unchecked")
            Selector<X509CertificateHolder> named = signer.getSID();
            X509CertificateHolder holder = signed.getCertificates().getMatches(named).iterator().next();
            boolean valid = signer.verify(verifier(holder));
            return (valid ? "valid " : "refused ") + signer.getEncryptionAlgOID();
        } catch (Exception error) {
            return "refused " + error.getClass().getSimpleName() + " " + error.getMessage();
        }
    }

    private static String judgeToken(Path file) throws Exception {
        TimeStampToken token = new TimeStampToken(new CMSSignedData(Files.readAllBytes(file)));
        X509CertificateHolder holder = (X509CertificateHolder) token.getCertificates().getMatches(token.getSID()).iterator().next();
        token.validate(verifier(holder));
        return "valid " + token.getTimeStampInfo().getMessageImprintAlgOID();
    }

    private static SignerInformationVerifier verifier(X509CertificateHolder holder) throws Exception {
        return new JcaSimpleSignerInfoVerifierBuilder().setProvider(PROVIDER).build(holder);
    }

    /** Signs `content` in the folder with SM2, and stamps its SM3 digest with another SM2 key. */
    private static void make(Path folder) throws Exception {
        byte[] content = Files.readAllBytes(folder.resolve("content"));
        KeyPair signer = newKey();
        X509CertificateHolder certificate = certify("CN=SM2 signer", signer, false);
        CMSSignedDataGenerator generator = new CMSSignedDataGenerator();
        JcaSimpleSignerInfoGeneratorBuilder builder = new JcaSimpleSignerInfoGeneratorBuilder().setProvider(PROVIDER);
        builder.setSignedAttributeGenerator(new DefaultSignedAttributeTableGenerator(bound(certificate)));
        generator.addSignerInfoGenerator(builder.build("SM3withSM2", signer.getPrivate(), certificate));
        generator.addCertificates(new JcaCertStore(List.of(certificate)));
        CMSSignedData signed = generator.generate(new CMSProcessableByteArray(content), false);
        Files.write(folder.resolve("seal.p7s"), signed.getEncoded("DER"));

        KeyPair authority = newKey();
        X509CertificateHolder tsa = certify("CN=SM2 TSA", authority, true);
        DigestCalculator sha256 = new JcaDigestCalculatorProviderBuilder().setProvider(PROVIDER).build()
                .get(new org.bouncycastle.asn1.x509.AlgorithmIdentifier(
                        org.bouncycastle.asn1.nist.NISTObjectIdentifiers.id_sha256));
        TimeStampTokenGenerator tokens = new TimeStampTokenGenerator(
                new JcaSimpleSignerInfoGeneratorBuilder().setProvider(PROVIDER).build("SM3withSM2", authority.getPrivate(), tsa),
                sha256, new ASN1ObjectIdentifier("1.2.156.99999.1"));
        tokens.addCertificates(new JcaCertStore(List.of(tsa)));
        byte[] digest = MessageDigest.getInstance("SM3", PROVIDER).digest(content);
        TimeStampRequestGenerator requests = new TimeStampRequestGenerator();
        requests.setCertReq(true);
        TimeStampToken token = tokens.generate(
                requests.generate(GMObjectIdentifiers.sm3, digest, BigInteger.valueOf(7)), BigInteger.ONE, new Date());
        Files.write(folder.resolve("token.tst"), token.getEncoded("DER"));
    }

    private static AttributeTable bound(X509CertificateHolder certificate) throws Exception {
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(certificate.getEncoded());
        SigningCertificateV2 value = new SigningCertificateV2(new ESSCertIDv2(digest));
        ASN1EncodableVector attributes = new ASN1EncodableVector();
        attributes.add(new Attribute(PKCSObjectIdentifiers.id_aa_signingCertificateV2, new DERSet(value)));
        return new AttributeTable(attributes);
    }

    private static KeyPair newKey() throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC", PROVIDER);
        generator.initialize(new ECGenParameterSpec("sm2p256v1"));
        return generator.generateKeyPair();
    }

    private static X509CertificateHolder certify(String name, KeyPair key, boolean stamps) throws Exception {
        Instant now = Instant.now();
        X500Name subject = new X500Name(name);
        JcaX509v3CertificateBuilder builder = new JcaX509v3CertificateBuilder(subject, BigInteger.valueOf(now.toEpochMilli()),
                Date.from(now.minus(1, ChronoUnit.DAYS)), Date.from(now.plus(900, ChronoUnit.DAYS)), subject, key.getPublic());
        builder.addExtension(Extension.keyUsage, true, new KeyUsage(KeyUsage.digitalSignature));
        if (stamps) {
            builder.addExtension(Extension.extendedKeyUsage, true, new ExtendedKeyUsage(KeyPurposeId.id_kp_timeStamping));
        }
        return builder.build(new JcaContentSignerBuilder("SM3withSM2").setProvider(PROVIDER).build(key.getPrivate()));
    }
}
